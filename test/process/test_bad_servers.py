"""MCP servers that crash, hang, write garbage or lines without end, beside one that behaves.

The good one is used all the while. The others must not disturb it, fill the memory or leave a process behind.
"""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_taskrun, an_agent, an_llm, an_mcp_server, refs
from test.e2e.manifests import a_task as a_plain_task
from test.e2e.model import Answer, Ask, Call, MockModel, asks
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.peers import Ledger

SCRIPTS = Path(__file__).resolve().parents[1] / "mcp" / "servers"
BAD = ("crashing", "hanging", "garbage", "endless", "deaf")
WATCHED_SECONDS = 12.0
GROWTH_MIB = 24.0
"""Of the manager over that time. One line of `huge` alone would be four times as much."""


@pytest.fixture
def manager(cluster: Cluster, logs: Path) -> Iterator[Program]:
    """A manager of this test's own, to be weighed."""
    program = processes.manager(cluster.kubeconfig, logs / "weighed.log")
    program.start()
    yield program
    assert program.popen is None or program.stop() == 0, program.tail()


def rss_mib(program: Program) -> float:
    assert program.popen is not None
    text = Path(f"/proc/{program.popen.pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    assert found is not None
    return int(found.group(1)) / 1024


def running_scripts() -> list[str]:
    """Command lines of bad servers that run on this machine, started by whomever."""
    lines = [_command_line(each) for each in Path("/proc").iterdir() if each.name.isdigit()]
    return [line for line in lines if any(f"{SCRIPTS}/{name}.py" in line for name in (*BAD, "huge", "changing"))]


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def bad(name: str) -> dict[str, object]:
    return an_mcp_server(name, type="stdio", command=sys.executable, args=[str(SCRIPTS / f"{name}.py")])


def scripted(call: Call) -> Answer:
    """Use the good server once, and in the first run everything else too."""
    name = next(one["content"] for one in call.messages if one["role"] == "user")
    if call.results:
        return "done"
    if name == "huge":
        return asks(Ask("huge__huge", {"megabytes": 100}), Ask("huge__small"), Ask("good__note", {"text": name}))
    return asks(Ask("good__note", {"text": name}), Ask("changing__grow"))


def test_bad_servers_harm_nobody_else(
    make_namespace: Callable[[str], Namespace],
    model: MockModel,
    manager: Program,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    namespace, ledger = make_namespace("bad-servers"), Ledger(tmp_path / "lines")
    model[namespace.name].respond = scripted
    namespace.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        *(bad(name) for name in (*BAD, "huge", "changing")),
        an_mcp_server("good", **peers.quick(ledger)),
        an_agent(mcpServers=refs("good", "changing")),
        an_agent("greedy", mcpServers=refs("good", "huge")),
        a_plain_task(message="run-0"),
        a_plain_task("huge", agent="greedy", message="huge"),
    )
    namespace.finished("hello-world-task-1")
    run = namespace.finished("huge-1")
    first, *_ = (message["content"] for message in run["status"]["contextWindow"] if message["role"] == "tool")
    assert first.startswith(("outcome unknown", "error")), "a line of 100 MB is nobody's answer"
    assert len(first) < 1_000
    before, began, pause, count = rss_mib(manager), time.monotonic(), threading.Event(), 0
    while time.monotonic() - began < WATCHED_SECONDS:
        count += 1
        namespace.apply(a_taskrun(f"run-{count}", task="hello-world-task", userMessage=f"run-{count}"))
        namespace.finished(f"run-{count}")
        pause.wait(0.1)
    after = rss_mib(manager)
    with capsys.disabled():
        print(f"\n{count} runs beside bad servers; manager RSS {before:.0f} MiB, {after:.0f} MiB after")
    assert all(ledger.times("begun", f"run-{number}") == 1 for number in range(count + 1))
    assert after - before < GROWTH_MIB
    assert len(ledger.living()) == 1, "the good server was never restarted"
    assert_states(namespace)
    namespace.kubectl("delete", "mcpserver", "--all", "--timeout=30s")
    namespace.until(
        lambda: not running_scripts() and not ledger.living(), watch="mcpserver", what="no process is left behind"
    )


def assert_states(namespace: Namespace) -> None:
    """Every bad server says what is wrong with it, and the good ones what they offer."""
    servers = {server["metadata"]["name"]: server["status"] for server in namespace.list("mcpserver")}
    assert servers["good"]["ready"]
    for name in ("crashing", "garbage", "endless"):
        assert servers[name]["statusDetail"], name
        assert len(servers[name]["statusDetail"]) < 1_000
    changed = [tool["name"] for tool in servers["changing"]["tools"]]
    assert "grow" in changed
    assert len(changed) > 1, "what the server offers now is listed"
    reasons = {event[1] for event in namespace.events("MCPServer", "changing")}
    assert "ToolsChanged" in reasons
