"""Containers without a cluster: on a fake engine that keeps a ledger of what it was told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.api.tool import ContainerTool
from kubechain.net.foreign import MESSAGE_CHARACTERS
from kubechain.tools.container import Call
from kubechain.tools.engine import VERDICT_SECONDS, ContainerEngine, container_name, quantity
from kubechain.tools.model import EngineMissing, InvalidTool, NotExecuted, Output, Uncertain

CALL = Call("team-a", "run-1-t0-c0", "3f1c-22")
NAME = container_name(CALL)
CANARY = "canary-9d1e"

ENGINE = r"""#!/bin/sh
d=$(dirname "$0"); verb=$1; shift
echo "$verb" >> "$d/ledger"
env > "$d/environment"
for last in "$@"; do :; done
case $verb in
info) [ ! -e "$d/down" ] ;;
create)
  if [ -e "$d/refuse-create" ]; then cat "$d/refuse-create" >&2; exit 125; fi
  if [ -e "$d/$2" ]; then echo "Conflict. The container name \"/$2\" is already in use by container" >&2; exit 1; fi
  mkdir "$d/$2"; cp "$4" "$d/$2/env"; stat -c %a "$4" > "$d/$2/mode"; echo created > "$d/$2/state"; name=$2; shift 4
  for word in "$@"; do printf '%s\0' "$word"; done > "$d/$name/words" ;;
inspect) cat "$d/$last/state" ;;
start)
  if [ -e "$d/refuse-start" ]; then cat "$d/refuse-start" >&2; exit 127; fi
  echo started >> "$d/starts"; echo running > "$d/$last/state" ;;
wait)
  if [ -e "$d/hang" ]; then exec sleep 600; fi
  if [ -e "$d/lost" ]; then exit 1; fi
  echo exited > "$d/$last/state"; cat "$d/code" ;;
logs) cat "$d/log" ;;
kill) echo "$last" >> "$d/killed" ;;
rm) rm -r "$d/$last" ;;
esac
"""


@pytest.fixture
def fake(tmp_path: Path) -> Path:
    program = tmp_path / "docker"
    program.write_text(ENGINE)
    program.chmod(0o755)
    (tmp_path / "code").write_text("0\n")
    (tmp_path / "log").write_text("hello\n")
    return tmp_path


def an_engine(fake: Path, *, monotonic: Callable[[], float] = lambda: 0.0) -> ContainerEngine:
    return ContainerEngine(which=lambda name: str(fake / name) if name == "docker" else None, monotonic=monotonic)


def a_tool(**fields: Any) -> ContainerTool:
    return ContainerTool.model_validate({"image": "alpine:3.22"} | fields)


async def ran(
    fake: Path,
    tool: ContainerTool | None = None,
    arguments: dict[str, Any] | None = None,
    *,
    secrets: dict[str, SecretStr] | None = None,
    timeout_seconds: float = 30,
) -> Output:
    engine = an_engine(fake)
    return await engine.run(CALL, tool or a_tool(), arguments or {}, secrets=secrets, timeout_seconds=timeout_seconds)


def words(fake: Path) -> list[str]:
    return (fake / NAME / "words").read_text().split("\0")[:-1]


def ledger(fake: Path) -> list[str]:
    return (fake / "ledger").read_text().split()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (another process makes it true)
            await asyncio.sleep(0.005)


async def test_the_log_is_the_answer_and_the_container_is_kept_until_it_is_forgotten(fake: Path) -> None:
    assert await ran(fake) == Output("hello\n")
    assert ledger(fake) == ["info", "create", "inspect", "start", "wait", "logs"]
    await an_engine(fake).forget(CALL)
    assert not (fake / NAME).exists()


async def test_an_exit_code_is_an_answer(fake: Path) -> None:
    (fake / "code").write_text("3\n")
    assert await ran(fake) == Output("exit code 3\nhello", is_error=True)


async def test_a_call_that_was_interrupted_is_found_again_and_not_started_twice(fake: Path) -> None:
    await ran(fake)
    assert await ran(fake) == Output("hello\n")
    assert (fake / "starts").read_text() == "started\n"


async def test_a_container_that_was_made_and_not_started_is_started(fake: Path) -> None:
    (fake / "refuse-start").write_text("no cgroups\n")
    with pytest.raises(NotExecuted, match="no cgroups"):
        await ran(fake)
    (fake / "refuse-start").unlink()
    assert await ran(fake) == Output("hello\n")
    assert (fake / "starts").read_text() == "started\n"


async def test_it_is_restricted_and_no_shell_sees_the_arguments(fake: Path) -> None:
    evil = '; touch $(dirname "$0")/pwned `id` $(API_KEY) --privileged'
    tool = a_tool(command=["/bin/echo", "-n"], args=["$(x)"], resources={"limits": {"cpu": "500m", "memory": "64Mi"}})
    await ran(fake, tool, {"x": evil})
    given = words(fake)
    image = given.index("alpine:3.22")
    assert given[image:] == ["alpine:3.22", "-n", evil]
    assert set(given[:image]) >= {
        "--cap-drop=ALL",
        "--security-opt=no-new-privileges",
        "--user=65532:65532",
        "--memory=67108864",
        "--cpus=0.500",
        "--entrypoint=/bin/echo",
    }
    assert not (fake / "pwned").exists()


async def test_variables_reach_the_container_and_not_the_engines_program(
    fake: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    env = [
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "LD_PRELOAD", "value": "/lib/evil.so"},
        {"name": "PATH", "value": "/nowhere"},
        {"name": "URL", "value": "http://$(TOKEN)@h/"},
    ]
    await ran(fake, a_tool(env=env), {"q": "a$b", "lines": "1\n2"}, secrets={"TOKEN": SecretStr(CANARY)})
    variables = (fake / NAME / "env").read_text().splitlines()
    assert variables == [
        f"TOKEN={CANARY}",
        "LD_PRELOAD=/lib/evil.so",
        "PATH=/nowhere",
        f"URL=http://{CANARY}@h/",
        'KUBECHAIN_ARGUMENTS={"q":"a$b","lines":"1\\n2"}',
        "KUBECHAIN_ARG_Q=a$b",
    ]
    assert (fake / NAME / "mode").read_text() == "600\n"
    environment = (fake / "environment").read_text()
    assert CANARY not in environment
    assert "evil" not in environment
    assert CANARY not in " ".join(words(fake))


async def test_a_secret_is_in_no_answer_and_no_error(fake: Path) -> None:
    tool = a_tool(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    secrets = {"TOKEN": SecretStr(CANARY)}
    (fake / "log").write_text(f"token is {CANARY}\n")
    assert (await ran(fake, tool, secrets=secrets)).content == "token is [redacted]\n"
    (fake / "refuse-create").write_text(f"exec: {CANARY}: not found\n")
    with pytest.raises(NotExecuted) as caught:
        await ran(fake, tool, secrets=secrets)
    assert CANARY not in str(caught.value) + repr(caught.value)
    with pytest.raises(NotExecuted, match="its Secret was not found"):
        await ran(fake, tool)


async def test_a_secret_at_the_cut_of_an_error_leaves_no_part(fake: Path) -> None:
    tool = a_tool(env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    for offset in range(MESSAGE_CHARACTERS - 60, MESSAGE_CHARACTERS + 2, 5):
        (fake / "refuse-create").write_text("-" * offset + CANARY + "\n")
        with pytest.raises(NotExecuted) as caught:
            await ran(fake, tool, secrets={"TOKEN": SecretStr(CANARY)})
        assert CANARY[:5] not in str(caught.value)
        assert len(str(caught.value)) <= MESSAGE_CHARACTERS


async def test_a_value_of_several_lines_of_the_author_is_refused(fake: Path) -> None:
    with pytest.raises(InvalidTool, match="several lines"):
        await ran(fake, a_tool(env=[{"name": "PEM", "value": "a\nPATH=/evil"}]))
    assert "create" not in ledger(fake)


async def test_a_long_log_keeps_its_beginning_and_its_end(fake: Path) -> None:
    (fake / "log").write_text("BEGIN\n" + "y\n" * 200_000 + "THE-END\n")
    content = (await ran(fake)).content
    assert content.startswith("BEGIN\ny\n")
    assert content.endswith("y\nTHE-END\n")
    assert "\n[137870 bytes left out]\n" in content


async def test_out_of_time_it_is_killed_and_what_it_wrote_is_the_answer(fake: Path) -> None:
    (fake / "hang").touch()
    (fake / "log").write_text("so far\n")
    output = await ran(fake, timeout_seconds=0.2)
    assert output == Output("timed out: the container was stopped after 0.2 s\nso far", is_error=True)
    assert (fake / "killed").read_text().split() == [NAME]


async def test_cancelled_it_is_killed(fake: Path) -> None:
    (fake / "hang").touch()
    task = asyncio.create_task(ran(fake))
    await until(lambda: (fake / "ledger").exists() and "wait" in ledger(fake))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (fake / "killed").read_text().split() == [NAME]


async def test_an_engine_that_is_lost_while_it_runs_leaves_the_outcome_uncertain(fake: Path) -> None:
    (fake / "lost").touch()
    with pytest.raises(Uncertain, match="lost"):
        await ran(fake)


async def test_a_container_that_cannot_be_made_was_certainly_not_run(fake: Path) -> None:
    (fake / "refuse-create").write_text("Unable to find image\npull access denied for nope\n")
    with pytest.raises(NotExecuted, match="pull access denied for nope"):
        await ran(fake)


async def test_a_missing_engine_is_named_quickly_and_looked_for_again_later(fake: Path) -> None:
    now = 0.0
    engine = an_engine(fake, monotonic=lambda: now)
    (fake / "down").touch()
    message = "^no container engine: docker is installed, but its engine does not answer, podman is not installed$"
    for _ in range(3):
        with pytest.raises(EngineMissing, match=message):
            await engine.check()
    assert ledger(fake) == ["info"]
    (fake / "down").unlink()
    now = VERDICT_SECONDS
    assert await engine.check() == "docker"


async def test_a_machine_without_any_engine_says_so() -> None:
    with pytest.raises(EngineMissing, match="docker is not installed, podman is not installed"):
        await ContainerEngine(which=lambda _: None).check()


def test_names_are_safe_distinct_and_stable() -> None:
    odd = Call("ns", "a/b..c --privileged $(id)" * 20, "u")
    assert container_name(odd) == container_name(odd)
    assert len(container_name(odd)) < 160
    assert set(container_name(odd)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")
    assert container_name(odd) != container_name(Call("ns", odd.name, "v"))


@pytest.mark.parametrize(("text", "value"), [("500m", 0.5), ("256Mi", 2**28), (2, 2), ("1.5G", 1.5e9), ("1k", 1000)])
def test_quantities(text: str | int, value: float) -> None:
    assert quantity(text) == value


@pytest.mark.parametrize("text", ["", "x", "1 Mi", "-1", "1Q", "--privileged"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(InvalidTool):
        quantity(text)
