"""Kinds of the page on clusters: the command line, the embedded API server, and addresses."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from test.e2e import processes
from test.e2e.cases.rows import case
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_task, a_tool, an_agent, an_llm
from test.e2e.model import MockModel
from test.e2e.processes import Program

CONFIG = Path(__file__).resolve().parents[3] / "config"


def _dev(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run `kubechain dev` to its end in a folder, or for some seconds.

    Args:
        arguments: Of the command.
        folder: The working directory.
    """
    command = ["timeout", "--signal=INT", "60", processes.KUBECHAIN, "dev", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def control_plane(tmp_path: Path) -> Iterator[tuple[Program, Path]]:
    """`kubechain dev` without a manager, state in a folder, on a free port; and its kubeconfig."""
    kubeconfig, port = tmp_path / "kubeconfig", processes.free_port()
    arguments = ["dev", "--no-manager", f"--data-dir={tmp_path / 'state'}", f"--kubeconfig={kubeconfig}"]
    program = Program([*arguments, f"--port={port}"], tmp_path / "dev.log", f"https://127.0.0.1:{port}/readyz")
    program.start()
    yield program, kubeconfig
    program.kill()


@case("two `kubechain dev` in one folder", {"the second writes over the first one's kubeconfig": "belongs to another"})
def test_the_second_is_refused(given: str, control_plane: tuple[Program, Path], tmp_path: Path) -> None:
    _, kubeconfig = control_plane
    written = kubeconfig.read_text()
    done = _dev(f"--kubeconfig={kubeconfig}", folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert f'"{kubeconfig}" {given}' in done.stderr
    assert kubeconfig.read_text() == written


@case("`dev --model --data-dir` restarted", {"the port is kept, the model's as the API server's": "api-server"})
def test_a_data_folder_keeps_its_ports(given: str, control_plane: tuple[Program, Path], tmp_path: Path) -> None:
    program, kubeconfig = control_plane
    [port] = [json.loads((tmp_path / "state" / "ports.json").read_text())[given]]
    program.stop()
    again = Program([each for each in program.arguments if "--port" not in each], program.log, program.ready_url)
    again.start()
    assert f"https://127.0.0.1:{port}" in kubeconfig.read_text()
    assert again.stop() == 0


@case(
    "the operator's own words",
    {
        '--namespaces "Foo Bar"': (["manager", "--namespaces", "Foo Bar"], 'argument --namespaces: .*: "Foo Bar"'),
        "a port in use": (
            ["dev", "--no-manager", "--port={port}"],
            r"^error: --port \d+: another program uses this port$",
        ),
        "a port of the manager in use": (
            ["dev", "--metrics-bind-address=127.0.0.1:{port}"],
            r"^error: --metrics-bind-address 127.0.0.1:\d+: another program uses this port$",
        ),
    },
)
def test_what_a_person_can_put_right_is_one_line(given: tuple[list[str], str], tmp_path: Path) -> None:
    arguments, expected = given
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [each.format(port=taken.getsockname()[1]) for each in arguments]
        done = subprocess.run(
            [processes.KUBECHAIN, *command], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
        )
    assert done.returncode in {1, 2}
    [line] = [each for each in done.stderr.splitlines() if each.startswith("error: ")]
    assert re.search(expected, line)


@case("the operator's own words", {"stale kubeconfig": 5.0})
def test_a_stale_kubeconfig_is_one_line(given: float, cluster: Cluster, tmp_path: Path) -> None:
    path, port = tmp_path / "stale", processes.free_port()
    path.write_text(re.sub(r"(server: https://[^:]+:)\d+", rf"\g<1>{port}", cluster.kubeconfig.read_text()))
    command = [f"--kubeconfig={path}", "--leader-elect", "--log-format=json", "--metrics-bind-address=0"]
    log = _warned_for(given, ["manager", *command, "--health-probe-bind-address=0"], tmp_path / "log")
    assert [line["level"] for line in log if line["level"] not in ("debug", "info")] == ["warning"]
    [told] = [line for line in log if line["level"] == "warning"]
    assert f"https://127.0.0.1:{port}, {path}" in told["server"]
    assert len(log) < 8


def _warned_for(seconds: float, arguments: Sequence[str], path: Path) -> list[dict[str, Any]]:
    """The log of a command that is interrupted some time after its first warning."""
    with path.open("w") as output, subprocess.Popen([processes.KUBECHAIN, *arguments], stderr=output) as process:
        deadline = time.monotonic() + processes.READY_SECONDS
        while '"warning"' not in path.read_text():
            assert time.monotonic() < deadline, path.read_text()
            _wait(process, 0.1)
        _wait(process, seconds)
        process.send_signal(signal.SIGINT)
    return [json.loads(line) for line in path.read_text().splitlines()]


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(seconds)


@case("the operator's own words", {"Ctrl-C with a run in flight": "error"})
def test_ctrl_c_is_no_error(given: str, model: MockModel, tmp_path: Path) -> None:
    kubeconfig, health = tmp_path / "kubeconfig", f"127.0.0.1:{processes.free_port()}"
    arguments = ["dev", f"--kubeconfig={kubeconfig}", f"--health-probe-bind-address={health}", "--log-format=json"]
    program = Program(arguments, tmp_path / "log", f"http://{health}/readyz")
    program.start()
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(tmp_path / "kubectl-cache")}
    namespace = Namespace(Cluster(kubeconfig, environment, is_real=False), "default")
    script = model["interrupted"]
    with script.held():
        namespace.apply(a_secret(), an_llm(base_url=model.base_url, model="interrupted"), an_agent(), a_task())
        script.wait_for_call()
        assert program.stop(signal.SIGINT) == 0
    assert f'"level":"{given}"' not in program.log.read_text()


@case("the operator's own words", {"no network at setup": "setup: no package index can be reached"})
def test_make_setup_says_that_it_needs_a_network(given: str, tmp_path: Path) -> None:
    (tmp_path / "packages" / "apiserver").mkdir(parents=True)
    for name in ("Makefile", "constraints.txt", "pyproject.toml", "packages/apiserver/pyproject.toml"):
        shutil.copy(CONFIG.parent / name, tmp_path / name)
    nowhere = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_CONFIG_FILE": os.devnull, "MAKEFLAGS": ""}
    done = subprocess.run(
        ["make", "-s", "setup"],
        cwd=tmp_path,
        env={**os.environ, **nowhere},
        capture_output=True,
        text=True,
        check=False,
    )
    first, *rest = done.stderr.splitlines()
    assert first.startswith(given)
    assert all(line.startswith(("make:", "make[")) for line in rest), done.stderr


def _request(cluster: Cluster, method: str, path: str, body: bytes, media: str) -> tuple[int, str]:
    """Status and message of the API server's answer to a body that kubectl would not send."""
    config = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json").out)
    token = config["users"][0]["user"]["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": media}
    request = urllib.request.Request(f"https://127.0.0.1:{cluster.port}{path}", body, headers, method=method)
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    try:
        with opener.open(request, timeout=30.0) as reply:
            return reply.status, ""
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read())["message"]


_ALIASES = "\n".join(
    ["a0: &a0 [x,x,x,x,x,x,x,x,x]", *(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10))]
)
_COPIES = [{"op": "copy", "from": "/data", "path": f"/data/c{number}"} for number in range(30)]


@case(
    "bombs at the embedded server",
    {
        "a few hundred bytes of YAML aliases": ("POST", "", "application/yaml", _ALIASES, 400, "excessive aliasing"),
        "YAML nested 100,000 times": ("POST", "", "application/yaml", "[" * 100_000, 400, "exceeded max depth"),
        "a JSON patch of copies": (
            "PATCH", "/bomb", "application/json-patch+json", json.dumps(_COPIES), 422, "error in our request"
        ),
    },
)  # fmt: skip
def test_a_bomb_is_refused(
    given: tuple[str, str, str, str, int, str], make_namespace: Callable[[str], Namespace], cluster: Cluster
) -> None:
    method, name, media, body, status, words = given
    namespace = make_namespace("bombs")
    namespace.kubectl("create", "configmap", "bomb", f"--from-literal=k={'x' * 1000}")
    path = f"/api/v1/namespaces/{namespace.name}/configmaps{name}"
    found, message = _request(cluster, method, path, body.encode(), media)
    assert found == status
    assert words in message


@case(
    "disk and files",
    {
        "a damaged SQLite file": "the file is damaged",
        "the data folder is a file": "Not a directory",
    },
)
def test_storage_that_cannot_be_used_is_a_sentence(given: str, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    if "damaged" in given:
        folder.mkdir()
        (folder / "objects.sqlite").write_bytes(b"garbage" * 1000)
    else:
        folder.touch()
    done = _dev("--no-manager", f"--data-dir={folder}", f"--kubeconfig={tmp_path / 'kubeconfig'}", folder=tmp_path)
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert str(folder) in line
    assert given in line or "File exists" in line


@case(
    "an address in disguise",
    {
        "[::ffff:0:127.0.0.1]": "http://[::ffff:0:127.0.0.1]:8080/x",
        "ISATAP under a public prefix": "http://[2a00:1450:4001::5efe:7f00:1]:8080/x",
        "unassigned": "http://[4000::1]/x",
    },
)
def test_an_address_that_stands_for_another_is_refused(given: str, namespace: Namespace) -> None:
    namespace.apply(a_tool("disguised", execute={"externalAPI": {"url": given, "method": "GET"}}))
    namespace.wait("tool/disguised", "{.status.status}", "Error")
    assert "address refused" in namespace.get("tool", "disguised")["status"]["statusDetail"]
