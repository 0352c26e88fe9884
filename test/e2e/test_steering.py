"""Runs started, watched and steered on the command line, as a new user would."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from test.e2e.cluster import Namespace
from test.e2e.manifests import a_builtin, a_task, an_agent, refs
from test.e2e.model import ANSWER, Ask, Failure, Script, asks
from test.e2e.processes import KUBECHAIN
from test.e2e.test_views import kubechain, where

RUN = "hello-world-task-1"


@pytest.fixture
def helped(namespace: Namespace, script: Script) -> Namespace:
    """A namespace with one agent."""
    namespace.apply(an_agent())
    namespace.wait("agent/my-assistant", "{.status.status}", "Ready")
    return namespace


def runs(space: Namespace) -> list[dict[str, Any]]:
    return space.list("taskruns")


def test_a_question_is_answered_on_standard_output(helped: Namespace, script: Script) -> None:
    script.answers = ["It is\nfive."]
    said = kubechain(helped, "run", "What is 2 + 3?")
    assert said.out == "It is\nfive.\n"
    assert "user               What is 2 + 3?" in said.err
    [run] = runs(helped)
    assert re.fullmatch(r"my-assistant-\w+", run["metadata"]["name"])
    assert run["spec"] == {"agentRef": {"name": "my-assistant"}, "userMessage": "What is 2 + 3?"}


def test_an_agent_that_init_wrote_answers(namespace: Namespace, script: Script, tmp_path: Path) -> None:
    command = [KUBECHAIN, "init", "agent", "helper", "--llm", "gpt-4o", "--dir", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    namespace.kubectl("apply", "-f", str(tmp_path))
    namespace.wait("agent/helper", "{.status.status}", "Ready")
    assert kubechain(namespace, "run", "Hi.", "--agent", "helper").out.strip() == ANSWER


def test_a_question_comes_from_a_pipe_and_the_story_goes_to_a_program(helped: Namespace) -> None:
    story = json.loads(kubechain(helped, "run", "-", "-o", "json", stdin="What is new?").out)
    assert (story["phase"], story["question"], story["output"]) == ("FinalAnswer", "What is new?", ANSWER)


def test_an_answer_is_held_to_a_schema_in_a_file_also_when_it_is_tried_again(
    helped: Namespace, script: Script, tmp_path: Path
) -> None:
    schema = tmp_path / "city.yaml"
    schema.write_text("{type: object, properties: {city: {type: string}}, required: [city]}")
    script.answers = ["Moonville.", '{"city": "Moonville"}', "Sunville.", '{"city": "Sunville"}']
    said = kubechain(helped, "run", "Which city?", "--output-schema", str(schema))
    assert json.loads(said.out) == {"city": "Moonville"}
    [name] = [run["metadata"]["name"] for run in runs(helped)]
    assert json.loads(kubechain(helped, "retry", name, "--from-turn", "1").out) == {"city": "Sunville"}


def test_a_run_says_how_long_it_is_kept_also_when_it_is_tried_again(helped: Namespace) -> None:
    kubechain(helped, "run", "Hi.", "--ttl", "720h")
    [first] = runs(helped)
    kubechain(helped, "retry", first["metadata"]["name"])
    assert [run["spec"]["ttlSecondsAfterFinished"] for run in runs(helped)] == [30 * 86400] * 2


@pytest.mark.parametrize(
    ("content", "complaint"), [("[]", "holds no object"), ("{", "expected"), (None, "No such file")]
)
def test_a_schema_file_that_cannot_be_used_ends_with_2(
    helped: Namespace, tmp_path: Path, content: str | None, complaint: str
) -> None:
    schema = tmp_path / "schema.json"
    if content is not None:
        schema.write_text(content)
    assert complaint in kubechain(helped, "run", "Hi.", "--output-schema", str(schema), status=2).err
    assert runs(helped) == []


def test_a_run_that_is_left_alone_is_watched_later(helped: Namespace, script: Script) -> None:
    with script.held():
        [line] = kubechain(helped, "run", "Hi.", "--agent", "my-assistant", "--detach", "-o", "name").lines
        assert line.startswith("taskrun.kubechain.humanlayer.dev/my-assistant-")
        name = line.partition("/")[2]
        said = kubechain(helped, "watch", name, "--timeout", "1s", status=4)
        assert f"taskrun/{name} goes on, and the time is up: kubechain explain {name} -n {helped.name}" in said.err
        assert 'waits for the answer of LLM "gpt-4o" (turn 1)' in kubechain(helped, "explain", name).out
    assert "turn 1             " + ANSWER in kubechain(helped, "watch", name).out
    assert "FinalAnswer" in kubechain(helped, "logs", name, "-f").out


def test_a_failure_is_the_exit_status(helped: Namespace, script: Script) -> None:
    script.answers = [Failure(401, "no")]
    assert "Failed: " in kubechain(helped, "run", "Hi.", status=1).err


def test_nobody_to_ask_ends_with_5_and_the_command_that_decides(helped: Namespace, script: Script) -> None:
    helped.apply(an_agent(askHuman=True))
    script.answers = [asks(Ask("ask_human", {"message": "Which region?"})), "Done."]
    said = kubechain(helped, "run", "Deploy.", status=5)
    [command] = re.findall(r"kubechain answer (\S+) --text TEXT", said.err)
    kubechain(helped, "answer", command, "--text", "Iceland")
    name = runs(helped)[0]["metadata"]["name"]
    assert "person           Answer by " in kubechain(helped, "watch", name).out


def test_a_cancelled_run_ends_with_3(helped: Namespace, script: Script) -> None:
    with script.held():
        name = kubechain(helped, "run", "Hi.", "--detach", "-o", "name").out.strip().partition("/")[2]
        script.wait_for_call()
        assert kubechain(helped, "cancel", name).out == f"taskrun/{name} is being cancelled\n"
        kubechain(helped, "watch", name, status=3)
    said = kubechain(helped, "cancel", name, status=1)
    assert f"taskrun/{name} is over (Cancelled), and cannot be cancelled" in said.err


def test_a_message_is_read_by_the_running_agent_and_by_no_other(helped: Namespace, script: Script) -> None:
    script.answers = ["First.", "Second."]
    with script.held():
        name = kubechain(helped, "run", "Hi.", "--detach", "-o", "name").out.strip().partition("/")[2]
        script.wait_for_call()
        kubechain(helped, "message", name, "And in winter?")
    assert "user               And in winter?" in kubechain(helped, "watch", name).out
    said = kubechain(helped, "message", name, "More.", status=1)
    assert f'is over (FinalAnswer), and reads no messages: kubechain continue {name} "TEXT"' in said.err


def test_a_conversation_is_continued_and_tried_again_from_a_turn(helped: Namespace, script: Script) -> None:
    helped.apply(a_builtin("add"), an_agent(tools=refs("add")))
    helped.wait("agent/my-assistant", "{.status.validTools[0].name}", "add")
    script.answers = [asks(Ask("add", {"a": 2, "b": 3})), "Five."]
    kubechain(helped, "run", "What is 2 + 3?")
    name = runs(helped)[0]["metadata"]["name"]
    script.answers = ["Six."]
    assert kubechain(helped, "continue", name, "And one more?").out == "Six.\n"
    [more] = [run for run in runs(helped) if run["metadata"]["name"] != name]
    texts = [message.get("content", "") for message in more["status"]["contextWindow"]]
    assert texts[1:] == ["What is 2 + 3?", "", "5", "Five.", "And one more?", "Six."]
    script.answers = ["5, I think."]
    assert kubechain(helped, "retry", name, "--from-turn", "2").out == "5, I think.\n"
    assert script.calls[-1].messages[-1]["content"] == "5"
    said = kubechain(helped, "retry", name, "--from-turn", "3", status=2)
    assert "--from-turn 3: the run has turns 1 to 2" in said.err


def test_a_run_of_a_task_is_tried_again_as_one(helped: Namespace, script: Script) -> None:
    script.answers = [Failure(401, "no"), "Yes."]
    helped.apply(a_task())
    helped.finished(RUN, "Failed")
    assert kubechain(helped, "retry", RUN).out == "Yes.\n"
    [again] = [run for run in runs(helped) if run["metadata"]["name"] != RUN]
    assert again["spec"] == {"taskRef": {"name": "hello-world-task"}}


def test_who_spends_what(helped: Namespace) -> None:
    kubechain(helped, "run", "Hi.")
    head, row = kubechain(helped, "top").lines
    assert head.split() == ["AGENT", "OPEN", "ANSWERED", "FAILED", "CANCELLED", "TURNS", "TOKENS", "COST"]
    assert row.split() == ["my-assistant", "0", "1", "0", "0", "1", "25", "-"]
    assert kubechain(helped, "top", "--by", "llm").lines[1].split()[0] == "gpt-4o"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(("run",), "a question is needed", id="no question"),
        pytest.param(("run", " "), "the question is empty", id="an empty question"),
        pytest.param(("run", "--file", "/nowhere"), "--file: ", id="a file that is not"),
        pytest.param(("run", "Hi.", "--agent", "x"), 'there is no agent "x": in namespace', id="an agent that is not"),
        pytest.param(("run", "Hi.", "--timeout", "soon"), "a duration such as 30s", id="a duration that is none"),
    ],
)
def test_a_wrong_command_line_ends_with_2(helped: Namespace, arguments: tuple[str, ...], complaint: str) -> None:
    assert complaint in kubechain(helped, *arguments, status=2).err
    assert runs(helped) == []


def test_ctrl_c_asks_what_becomes_of_the_run(helped: Namespace, script: Script) -> None:
    controller, terminal = pty.openpty()
    with script.held():
        process = subprocess.Popen(
            [KUBECHAIN, "run", *where(helped), "Hi."],
            stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True,
            env=dict(helped.cluster.environment) | {"TERM": "xterm", "COLUMNS": "100"},
        )  # fmt: skip
        os.close(terminal)
        script.wait_for_call()
        read_until(controller, b"(my-assistant)")
        process.send_signal(signal.SIGINT)
        read_until(controller, b"[c]ancel it")
        os.write(controller, b"c\n")
        assert b"Cancelled" in read_until(controller, b"error:")
        assert process.wait(timeout=60) == 3
    os.close(controller)
    assert runs(helped)[0]["status"]["phase"] == "Cancelled"


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown = b""
    while wanted not in shown:
        try:
            shown += os.read(terminal, 4096)
        except OSError as error:  # the program has ended
            raise AssertionError(f"{wanted!r} was never shown, but: {shown!r}") from error
    return shown


@pytest.mark.real
def test_what_the_user_may_not_read_is_a_gap_and_what_they_may_not_do_is_said(
    helped: Namespace, tmp_path: Path
) -> None:
    name = kubechain(helped, "run", "Hi.", "-o", "name").out.strip().partition("/")[2]
    helped.kubectl("create", "serviceaccount", "looker")
    helped.kubectl("create", "role", "looker", "--verb=get,list,watch", "--resource=taskruns.kubechain.humanlayer.dev")
    helped.kubectl("create", "rolebinding", "looker", "--role=looker", f"--serviceaccount={helped.name}:looker")
    config = json.loads(helped.kubectl("config", "view", "--raw", "--flatten", "-o", "json").out)
    config["users"] = [
        {"name": each["name"], "user": {"token": helped.kubectl("create", "token", "looker").out.strip()}}
        for each in config["users"]
    ]
    (tmp_path / "config").write_text(json.dumps(config))
    looker = Namespace(replace(helped.cluster, kubeconfig=tmp_path / "config"), helped.name)
    said = kubechain(looker, "logs", name)
    assert "TaskRunToolCalls cannot be read: " in said.out
    assert ANSWER in said.out
    assert 'cannot create resource "taskruns"' in kubechain(looker, "run", "Hi.", "-a", "x", status=1).err


def test_no_cluster_is_one_line_that_says_which(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    command = [KUBECHAIN, "logs", "x", "--kubeconfig", str(tmp_path / "config")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1:9" in done.stderr
