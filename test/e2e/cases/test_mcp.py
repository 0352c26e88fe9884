"""What MCP servers do, kind by kind: the page's words are the ids."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from test import registry
from test.e2e.cases.rows import MCP, case, missing
from test.e2e.cluster import Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm, an_mcp_server, refs
from test.e2e.model import Ask, MockModel, asks
from test.mcp.oddpeer import METADATA, OddPeer, odd_peer
from test.mcp.servers import oddities
from test.mcp.test_seclusion import moved_by_child, needs_moves

ELSEWHERE: dict[str, str] = {}
"""Why a kind has no test here, by kind."""

SCRIPTS = Path(__file__).parents[2] / "mcp" / "servers"


def test_each_kind_of_the_page_has_a_test() -> None:
    assert not missing(MCP, __name__, ELSEWHERE)


@pytest.fixture(scope="module")
def peer() -> Iterator[OddPeer]:
    """A server over HTTP that behaves as its paths say."""
    with odd_peer() as peer:
        yield peer


def a_script(name: str, script: str, *args: str, **spec: Any) -> dict[str, Any]:
    """An MCPServer that is one of the scripts of `test/mcp/servers`."""
    return an_mcp_server(
        name, type="stdio", command=sys.executable, args=[str(SCRIPTS / f"{script}.py"), *args], **spec
    )


def detail(namespace: Namespace, name: str) -> str:
    """What an MCPServer says."""
    return namespace.get("mcpserver", name).get("status", {}).get("statusDetail", "")


def events(namespace: Namespace, name: str) -> dict[str, str]:
    """The last message of each reason."""
    return {reason: message for _, reason, message, _ in namespace.events("MCPServer", name)}


def ready(namespace: Namespace, *names: str, seconds: float = 60) -> None:
    """Wait until these servers are ready."""
    for name in names:
        namespace.wait(f"mcpserver/{name}", "{.status.ready}", "true", timeout_seconds=seconds)


def answers_of(namespace: Namespace, model: MockModel, server: str, *calls: Ask) -> list[str]:
    """What an agent's model is told of calls of a server's tools."""
    script = model[namespace.name]
    script.answers = [asks(*calls), "Done."]
    namespace.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=namespace.name),
        an_agent(mcpServers=refs(server)),
    )
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    namespace.apply(a_task())
    window = namespace.finished("hello-world-task-1")["status"]["contextWindow"]
    return [message["content"] for message in window if message["role"] == "tool"]


@needs_moves
@case("children that rename across folders", {"os.rename": "rename", "os.link": "link", "os.replace": "replace"})
async def test_a_child_moves_files_over_two_folders_but_not_what_is_hidden(tmp_path: Path, given: str) -> None:
    for name in ("a/file", "b/file", "hidden/token"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(name)
    hidden = tmp_path / "hidden"
    ways = [(tmp_path / "a" / "file", tmp_path / "b" / "moved"), (hidden / "token", tmp_path / "b" / "token")]
    said = await moved_by_child(given, *ways, hidden=hidden)
    assert said[0] == "done"
    assert said[1] != "done"


@case(
    "children that rename across folders",
    {
        "uvx and npx with cold caches": {
            "fetch": ("uvx", "mcp-server-fetch"),
            "time": ("uvx", "mcp-server-time"),
            "git": ("uvx", "mcp-server-git"),
            "files": ("npx", "-y", "@modelcontextprotocol/server-filesystem", "."),
        }
    },
)
def test_published_servers_start_with_cold_caches(
    namespace: Namespace, tmp_path: Path, given: dict[str, tuple[str, ...]]
) -> None:
    registry.require(registry.why_not_pypi() or registry.why_not_npm())
    cold = {"HOME": tmp_path, "UV_CACHE_DIR": tmp_path / "uv", "NPM_CONFIG_CACHE": tmp_path / "npm"}
    env = [{"name": name, "value": str(path)} for name, path in cold.items()]
    namespace.apply(
        *(
            an_mcp_server(name, type="stdio", command=command, args=list(args), env=env)
            for name, (command, *args) in given.items()
        )
    )
    ready(namespace, *given, seconds=240)


@case("a start that takes minutes", {"a child that answers late, or not in its time": 8})
def test_a_start_tells_how_far_it_is_and_has_its_own_limit(namespace: Namespace, given: int) -> None:
    namespace.apply(
        a_script("late", "slow_start", str(given)), a_script("never", "slow_start", "600", startTimeoutSeconds=1)
    )
    namespace.until(
        lambda: detail(namespace, "late").startswith("Starting, 5 s: error: no mirror answers"),
        watch="mcpserver",
        what="the status tells how far the start is",
    )
    ready(namespace, "late")
    assert "ConnectionFailed" not in events(namespace, "late")
    namespace.until(lambda: "no answer within 1 s" in detail(namespace, "never"), watch="mcpserver", what="the limit")
    assert "spec.startTimeoutSeconds" in detail(namespace, "never")
    assert detail(namespace, "never").startswith("Cannot connect, trying again: ")


@case("redirects", {"307 and 308 to a trailing slash": ("307", "308")})
def test_a_redirect_within_the_origin_is_followed(namespace: Namespace, peer: OddPeer, given: tuple[str, ...]) -> None:
    namespace.apply(*(an_mcp_server(f"by-{way}", type="http", url=peer.url(f"{way}/mcp")) for way in given))
    ready(namespace, *(f"by-{way}" for way in given))


@case("one bad tool", {"schemas, annotations and icons that are none": oddities.LEFT_OUT | oddities.REPAIRED})
def test_bad_tools_are_named_and_the_others_are_offered(namespace: Namespace, given: set[str]) -> None:
    namespace.apply(a_script("odd", "odd"))
    ready(namespace, "odd")
    status = namespace.get("mcpserver", "odd")["status"]
    names = {tool["name"] for tool in status["tools"]}
    assert names >= {*oddities.OFFERED, *oddities.SCHEMAS}
    assert not names & oddities.LEFT_OUT
    namespace.until(
        lambda: {"ToolsLeftOut", "ToolsRepaired"} <= events(namespace, "odd").keys(), watch="events", what="the events"
    )
    told = events(namespace, "odd")
    for name in given:
        assert f'"{name}' in status["statusDetail"], name
        assert f'"{name}' in told["ToolsLeftOut"] + told["ToolsRepaired"], name


@case("schemas that no model takes", {"top-level anyOf, a type str, references to nowhere": tuple(oddities.SCHEMAS)})
def test_a_tool_with_a_schema_that_was_repaired_can_be_called(
    namespace: Namespace, model: MockModel, given: tuple[str, ...]
) -> None:
    namespace.apply(a_script("odd", "odd"))
    ready(namespace, "odd")
    calls = [Ask(f"odd__{name}", {"a": "x"}) for name in given]
    assert answers_of(namespace, model, "odd", *calls) == ["hello"] * len(given)
    offered = {tool["function"]["name"]: tool["function"] for tool in model[namespace.name].calls[0].body["tools"]}
    for name in given:
        parameters = offered[f"odd__{name}"]["parameters"]
        assert parameters["type"] == "object"
        assert not parameters.keys() & {"anyOf", "$ref", "$defs"}


CONTENT = tuple(name for name in oddities.ANSWERS if not name.startswith("result-"))
NO_OBJECTS = tuple(name for name in oddities.ANSWERS if name.startswith("result-"))


@case("answers with odd content", {"missing, null and unknown parts": CONTENT})
def test_odd_content_is_an_answer(namespace: Namespace, model: MockModel, given: tuple[str, ...]) -> None:
    namespace.apply(a_script("odd", "odd"))
    ready(namespace, "odd")
    answers = answers_of(namespace, model, "odd", *(Ask(f"odd__{name}", {}) for name in given))
    for name, answer in zip(given, answers, strict=True):
        assert oddities.ANSWERS[name][1] in answer, name


@case(
    'a result that is no object; HTTP 400 with -32000 "no valid session"',
    {"over HTTP, as JSON and as events": NO_OBJECTS},
)
def test_a_result_that_is_no_object_is_an_error_at_once_and_a_forgotten_session_is_opened_again(
    namespace: Namespace, model: MockModel, peer: OddPeer, given: tuple[str, ...]
) -> None:
    namespace.apply(an_mcp_server("odd", type="http", url=peer.url("session/events")))
    ready(namespace, "odd")
    peer.sessions.clear()
    peer.calls.clear()
    answers = answers_of(namespace, model, "odd", *(Ask(f"odd__{name}", {}) for name in given))
    for name, answer in zip(given, answers, strict=True):
        assert oddities.ANSWERS[name][1] in answer, name
    assert sorted(peer.calls) == sorted(given), "each was executed once"


READ: dict[str, tuple[dict[str, Any], str]] = {
    "http-401": ({"type": "http", "url": "401"}, f"resource metadata: {METADATA}"),
    "sse-401": ({"type": "sse", "url": "401"}, "set the header Authorization"),
    "page": ({"type": "http", "url": "html"}, "a web page, not MCP: check the path of url: it says: Sign in"),
    "gzip": ({"type": "http", "url": "gzip"}, "the answer is compressed (gzip)"),
    "wrong-http": ({"type": "http", "url": "sse"}, "HTTP 405: it takes no messages there: try type sse"),
    "wrong-sse": ({"type": "sse", "url": "mcp"}, "HTTP 405: it serves no event stream there: try type http"),
    "elsewhere": ({"type": "sse", "url": "elsewhere"}, "the event stream names an endpoint elsewhere"),
    "away": ({"type": "http", "url": "away"}, "if https://mcp.example/mcp is the server, set url to it"),
    "node": (
        {"type": "stdio", "command": "node", "args": ["-e", "require('/no/such.js')"]},
        "the process ended with exit code 1: Error: Cannot find module '/no/such.js'",
    ),
    "python": (
        {"type": "stdio", "command": sys.executable, "args": ["-c", "import os; os.environ['API_KEY']"]},
        "the process ended with exit code 1: KeyError: 'API_KEY'",
    ),
}


@case("what people read", {"each is told, and nothing is called lost": READ})
def test_what_people_read_names_the_cause(
    namespace: Namespace, peer: OddPeer, given: dict[str, tuple[dict[str, Any], str]]
) -> None:
    specs = {
        name: spec | ({"url": peer.url(spec["url"])} if "url" in spec else {}) for name, (spec, _) in given.items()
    }
    namespace.apply(*(an_mcp_server(name, **spec) for name, spec in specs.items()))
    for name, (_, words) in given.items():
        namespace.until(lambda n=name, w=words: w in detail(namespace, n), watch="mcpserver", what=f"{name}: {words}")
        assert "lost" not in detail(namespace, name)
        assert "ConnectionLost" not in events(namespace, name)


@case("what people read", {"a rotated Secret": "rather-longer-2"})
def test_a_rotated_secret_is_no_loss(namespace: Namespace, given: str) -> None:
    token = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "TOKEN"}}}
    namespace.apply(a_secret("token", TOKEN="short-1"), a_script("good", "good", env=[token]))
    ready(namespace, "good")
    namespace.apply(a_secret("token", TOKEN=given))
    namespace.until(
        lambda: "Connected" in events(namespace, "good"), watch="events", what="it is connected with the new value"
    )
    assert "ConnectionLost" not in events(namespace, "good")


@case("a server deleted in mid-run", {"before the call of its tool": "good"})
def test_a_run_whose_server_was_deleted_says_so_and_ends(namespace: Namespace, model: MockModel, given: str) -> None:
    script = model[namespace.name]
    script.answers = [asks(Ask(f"odd__{given}", {}))]
    agent = an_agent(mcpServers=refs("odd"), limits={"retryFor": "3s"})
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), a_script("odd", "odd"), agent)
    namespace.wait("agent/my-assistant", "{.status.ready}", "true")
    with script.held():
        namespace.apply(a_task())
        script.wait_for_call()
        namespace.kubectl("delete", "mcpserver", "odd")
    status = namespace.finished("hello-world-task-1", "Failed")["status"]
    given_up = 'Waiting for MCPServer "odd" to exist; given up after 3 s (limits.retryFor)'
    assert given_up in status["contextWindow"][-1]["content"]
    assert status["statusDetail"] == given_up


@case("tools that need tasks", {"execution.taskSupport: required": "task"})
def test_a_tool_that_needs_tasks_is_not_offered_and_said(namespace: Namespace, given: str) -> None:
    namespace.apply(a_script("odd", "odd", tools={"include": ["good", given, "task-if-wanted"]}))
    ready(namespace, "odd")
    status = namespace.get("mcpserver", "odd")["status"]
    assert [tool["name"] for tool in status["tools"]] == ["good", "task-if-wanted"]
    assert f'Not offered: "{given}": it needs tasks' in status["statusDetail"]


@case('`command: "uvx mcp-server-fetch"`', {"arguments in the command": "uvx mcp-server-fetch"})
def test_arguments_in_the_command_are_told_to_belong_elsewhere(namespace: Namespace, given: str) -> None:
    namespace.apply(an_mcp_server("fetch", type="stdio", command=given))
    namespace.wait("mcpserver/fetch", "{.status.status}", "Error")
    assert "put arguments into args" in detail(namespace, "fetch")
