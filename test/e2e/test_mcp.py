"""MCP servers from the outside: what MCPServer objects say, what becomes of the processes, what runs see of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from test.e2e.cluster import Namespace, header, table
from test.e2e.manifests import a_secret, a_task, a_taskrun, an_agent, an_mcp_server, refs
from test.e2e.model import Ask, Script, asks
from test.e2e.processes import Program, free_port
from test.e2e.servers import peers
from test.e2e.servers.peers import Ledger

RUN = "hello-world-task-1"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    """Of the peers of this test."""
    return Ledger(tmp_path / "lines")


@pytest.fixture(params=["stdio", "http", "sse"])
def server(request: pytest.FixtureRequest, ledger: Ledger) -> Iterator[dict[str, Any]]:
    """The spec of an MCPServer, over each transport."""
    match request.param:
        case "stdio":
            yield peers.over_stdio(ledger)
        case transport:
            with peers.over_http(transport, ledger) as url:
                yield {"type": transport, "url": url}


def token(name: str = "token") -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": "TOKEN"}}}


def test_a_tool_of_a_server_is_called(namespace: Namespace, script: Script, server: dict[str, Any]) -> None:
    script.answers = [asks(Ask("desk__greet", {"name": "Ada"})), "Greeted."]
    namespace.apply(an_mcp_server("desk", **server), an_agent(mcpServers=refs("desk")), a_task())
    run = namespace.finished(RUN)
    assert [message["content"] for message in run["status"]["contextWindow"]][-2:] == ["Hello, Ada!", "Greeted."]


def test_a_server_says_what_it_offers(namespace: Namespace, server: dict[str, Any]) -> None:
    namespace.apply(an_mcp_server("desk", **server))
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    assert header(namespace.kubectl("get", "mcpserver").out).removesuffix(" AGE") == "NAME READY STATUS"
    [row] = table(namespace.kubectl("get", "mcpserver", "-o", "wide").out)
    assert (row["READY"], row["STATUS"], row["CONNECTED"]) == ("true", "Ready", "true")
    namespace.wait_for_event(
        "MCPServer", "desk", ("Normal", "ToolsDiscovered", "Discovered 3 tool(s)", "mcp-controller")
    )
    status = namespace.get("mcpserver", "desk")["status"]
    greet = next(tool for tool in status["tools"] if tool["name"] == "greet")
    assert greet["description"] == "Greet somebody."
    assert greet["inputSchema"]["required"] == ["name"]


def test_include_and_exclude_choose_what_is_offered(namespace: Namespace) -> None:
    namespace.apply(
        an_mcp_server("desk", **peers.over_stdio(), tools={"include": ["greet", "note"], "exclude": ["note"]})
    )
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    assert [tool["name"] for tool in namespace.get("mcpserver", "desk")["status"]["tools"]] == ["greet"]


def test_an_agent_whose_server_is_down_waits_and_says_so(namespace: Namespace, script: Script) -> None:
    port = free_port()
    down = {"type": "http", "url": f"http://127.0.0.1:{port}/mcp"}
    script.answers = [asks(Ask("desk__greet", {"name": "Ada"})), "Greeted."]
    namespace.apply(an_mcp_server("desk", **down), an_agent(mcpServers=refs("desk")), a_task())
    namespace.wait("agent/my-assistant", "{.status.ready}", "false")
    namespace.until(
        lambda: "desk" in namespace.get("agent", "my-assistant").get("status", {}).get("statusDetail", ""),
        watch="agent",
        what="the agent says that it waits for its server",
    )
    assert not script.calls, "never an answer without its tools"
    with peers.over_http("http", port=port):
        run = namespace.finished(RUN)
    assert run["status"]["output"] == "Greeted."


def test_a_server_that_goes_down_is_told_and_comes_back(namespace: Namespace, script: Script) -> None:
    port = free_port()
    with peers.over_http("http", port=port) as url:
        namespace.apply(an_mcp_server("desk", type="http", url=url), an_agent(mcpServers=refs("desk")))
        namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    script.answers = [asks(Ask("desk__greet", {"name": "Ada"})), "Greeted."]
    # Whether the loss shows before the call or by it is chance; that the call is made, once it can be, is not.
    namespace.apply(a_task())
    with peers.over_http("http", port=port):
        run = namespace.finished(RUN)
    assert run["status"]["output"] == "Greeted."


def test_a_call_that_is_safe_to_repeat_waits_for_a_server_that_went_down_during_it(
    namespace: Namespace, script: Script, ledger: Ledger
) -> None:
    port = free_port()
    script.answers = [asks(Ask("desk__note", {"text": "a", "seconds": 3})), "Noted."]
    with peers.over_http("http", ledger, port) as url:
        server = an_mcp_server("desk", type="http", url=url, tools={"idempotent": ["note"]})
        namespace.apply(server, an_agent(mcpServers=refs("desk")), a_task())
        namespace.until(lambda: ledger.times("begun", "a") == 1, watch="trtc", what="the call is under way")
    namespace.until(
        lambda: 'Waiting for MCPServer "desk"' in namespace.get("trtc", f"{RUN}-t0-c0")["status"]["statusDetail"],
        watch="trtc",
        what="the call waits for its server",
    )
    with peers.over_http("http", ledger, port):
        run = namespace.finished(RUN)
    assert [one["content"] for one in run["status"]["contextWindow"] if one["role"] == "tool"] == ["noted: a"]


def test_a_killed_child_is_started_again(namespace: Namespace, ledger: Ledger) -> None:
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(ledger)))
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    [first] = ledger.living()
    peers.kill(first)
    namespace.until(
        lambda: "Connected" in {event[1] for event in namespace.events("MCPServer", "desk")},
        watch="events",
        what="the event Connected",
    )
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    assert "ConnectionLost" in {event[1] for event in namespace.events("MCPServer", "desk")}
    assert len(ledger.living()) == 1
    assert ledger.living() != {first}


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_a_rotated_secret_reconnects(namespace: Namespace, script: Script, ledger: Ledger, transport: str) -> None:
    def ask() -> str:
        name = f"run-{len(script.calls)}"
        script.answers = [asks(Ask("desk__secret_length")), "Seen."]
        namespace.apply(a_taskrun(name, task="hello-world-task"))
        return namespace.finished(name)["status"]["contextWindow"][-2]["content"]

    def offer(spec: dict[str, Any]) -> None:
        namespace.apply(
            a_secret("token", TOKEN="short-1"),
            an_mcp_server("desk", **spec),
            an_agent(mcpServers=refs("desk")),
            a_task(),
        )
        namespace.finished(RUN)
        assert ask() == "7 characters, the last is 1"
        before = len(ledger.lines())
        namespace.apply(a_secret("token", TOKEN="rather-longer-2"))
        namespace.until(
            lambda: transport == "http" or len(ledger.lines()) > before, watch="mcpserver", what="a new child"
        )
        namespace.until(
            lambda: ask() == "15 characters, the last is 2", watch="mcpserver", what="the new value reaches the server"
        )

    if transport == "stdio":
        offer(peers.over_stdio(ledger, env=[{"name": "TOKEN", **token()}]))
        namespace.until(lambda: len(ledger.living()) == 1, watch="mcpserver", what="the old child is gone")
    else:
        with peers.over_http("http", ledger) as url:
            offer({"type": "http", "url": url, "headers": [{"name": "x-token", **token()}]})


def test_a_changed_spec_starts_another_child(namespace: Namespace, ledger: Ledger) -> None:
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(ledger)))
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    [first] = ledger.living()
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(ledger, env=[{"name": "NEW", "value": "1"}])))
    namespace.until(
        lambda: len(ledger.living()) == 1 and first not in ledger.living(),
        watch="mcpserver",
        what="one new child in place of the old one",
    )


def test_deletion_ends_the_child(namespace: Namespace, ledger: Ledger) -> None:
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(ledger)))
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")
    assert len(ledger.living()) == 1
    namespace.kubectl("delete", "mcpserver", "desk", "--timeout=30s")
    namespace.until(lambda: not ledger.living(), watch="mcpserver", what="no child is left")


def test_a_missing_secret_is_named_and_then_found(namespace: Namespace) -> None:
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(env=[{"name": "TOKEN", **token("later")}])))
    namespace.wait("mcpserver/desk", "{.status.status}", "Error")
    assert "later" in namespace.get("mcpserver", "desk")["status"]["statusDetail"]
    namespace.apply(a_secret("later", TOKEN="x"))
    namespace.wait("mcpserver/desk", "{.status.ready}", "true")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param({"command": "no-such-program"}, "no-such-program", id="a program that is not there"),
        pytest.param(
            {"command": "true", "env": [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}]},
            "LD_PRELOAD",
            id="a loader's variable",
        ),
    ],
)
def test_what_cannot_be_started_says_why(namespace: Namespace, spec: dict[str, Any], says: str) -> None:
    namespace.apply(an_mcp_server("desk", type="stdio", **spec))
    namespace.wait("mcpserver/desk", "{.status.status}", "Error")
    assert says in namespace.get("mcpserver", "desk")["status"]["statusDetail"]
    namespace.until(
        lambda: "ConnectionFailed" in {event[1] for event in namespace.events("MCPServer", "desk")},
        watch="events",
        what="the event ConnectionFailed",
    )


EVERYTHING = ("taskruntoolcall", "taskrun", "task", "agent", "mcpserver", "llm", "secret")


@pytest.mark.parametrize("order", [EVERYTHING, EVERYTHING[::-1]], ids=["as printed", "the other way round"])
def test_everything_goes_in_any_order(
    namespace: Namespace, script: Script, ledger: Ledger, order: tuple[str, ...]
) -> None:
    script.answers = [asks(Ask("desk__greet", {"name": "Ada"})), "Greeted."]
    namespace.apply(an_mcp_server("desk", **peers.over_stdio(ledger)), an_agent(mcpServers=refs("desk")), a_task())
    namespace.finished(RUN)
    for kind in order:
        namespace.kubectl("delete", kind, "--all", "--timeout=30s")
    namespace.until(
        lambda: not namespace.list(",".join(EVERYTHING)) and not ledger.living(),
        watch="taskrun",
        what="nothing is left: no object, no child process",
    )


@pytest.mark.usefixtures("running_again")
def test_an_ordered_stop_waits_for_the_answer_of_a_call(
    namespace: Namespace, script: Script, server: dict[str, Any], ledger: Ledger, manager: Program
) -> None:
    script.answers = [asks(Ask("desk__note", {"text": "a", "seconds": 3})), "Noted."]
    namespace.apply(an_mcp_server("desk", **server), an_agent(mcpServers=refs("desk")), a_task())
    namespace.until(lambda: ledger.times("begun", "a") == 1, watch="trtc", what="the call is under way")
    assert manager.stop() == 0
    assert namespace.get("trtc", f"{RUN}-t0-c0")["status"]["phase"] == "Succeeded"
    manager.start()
    assert namespace.finished(RUN)["status"]["output"] == "Noted."
    assert ledger.times("begun", "a") == 1
