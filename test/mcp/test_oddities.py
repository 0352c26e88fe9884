"""What servers in use send beside the protocol, over stdio, as JSON and as events: what is offered and answered."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kubechain.mcp.errors import NotSent
from kubechain.mcp.model import Phase, ServerSpec, Transport
from test.mcp.conftest import World, a_key, a_server
from test.mcp.oddpeer import METADATA, OddPeer, odd_peer
from test.mcp.servers.oddities import ANSWERS, LEFT_OUT, OFFERED, REPAIRED


@pytest.fixture(scope="module")
def peer() -> Iterator[OddPeer]:
    """The peer of this file."""
    with odd_peer() as peer:
        yield peer


@pytest.fixture(params=["stdio", "json", "events"])
def odd(request: pytest.FixtureRequest, peer: OddPeer) -> ServerSpec:
    """An odd server, over each way that an answer can take."""
    if request.param == "stdio":
        return a_server("odd")
    return ServerSpec("http", url=peer.url(f"plain/{request.param}"))


async def test_one_bad_tool_takes_no_other_along_and_is_named(world: World, odd: ServerSpec):
    state = world.state(await world.ready(odd))
    assert set(OFFERED) <= {tool.name for tool in state.tools}
    assert not LEFT_OUT & {tool.name for tool in state.tools}
    named = {flaw.tool.strip("\a\u202e"): flaw for flaw in state.flaws}
    assert {name for name, flaw in named.items() if flaw.is_left_out} == LEFT_OUT
    assert {name for name, flaw in named.items() if not flaw.is_left_out} >= REPAIRED
    assert "taskSupport: required" in named["task"].what


async def test_descriptions_have_nothing_that_drives_a_terminal(world: World, odd: ServerSpec):
    tools = {tool.name: tool for tool in world.state(await world.ready(odd)).tools}
    assert tools["foreign"].description == "A red bell, turned."


async def test_every_answer_is_one_at_once(world: World, odd: ServerSpec):
    key = await world.ready(odd)
    for name, (result, content) in ANSWERS.items():
        answered = await world.call(key, name, timeout_seconds=5)
        assert content in answered.content, name
        assert answered.is_error == (not isinstance(result, dict)), name
    assert world.state(key).connects == 1


@pytest.mark.parametrize("path", ["307/mcp", "308/mcp"])
async def test_a_redirect_to_a_trailing_slash_is_followed(world: World, peer: OddPeer, path: str):
    key = await world.ready(ServerSpec("http", url=peer.url(path)))
    assert (await world.call(key, "good")).content == "hello"


async def test_a_call_in_a_session_that_the_server_forgot_was_not_executed_and_is_possible_again(
    world: World, peer: OddPeer
):
    key = await world.ready(ServerSpec("http", url=peer.url("session/mcp")))
    peer.sessions.clear()
    before = len(peer.calls)
    with pytest.raises(NotSent, match="the server ended the session"):
        await world.call(key, "good")
    assert len(peer.calls) == before
    await world.until(lambda: world.state(key).connects == 2)
    assert (await world.call(key, "good")).content == "hello"


@pytest.mark.parametrize(
    ("transport", "path", "says"),
    [
        ("http", "401", f"set the header Authorization (Bearer …) in spec.headers, resource metadata: {METADATA}"),
        ("sse", "401", f"set the header Authorization (Bearer …) in spec.headers, resource metadata: {METADATA}"),
        (
            "http",
            "403",
            "HTTP 403: the server wants credentials: set the header Authorization in spec.headers: it says",
        ),
        ("http", "sse", "HTTP 405: it takes no messages there: try type sse"),
        ("sse", "mcp", "HTTP 405: it serves no event stream there: try type http"),
        ("http", "away", "HTTP 308: a redirect that is not followed: if https://mcp.example/mcp is the server"),
        (
            "sse",
            "elsewhere",
            "the event stream names an endpoint elsewhere: http://10.1.2.3:8080, not http://127.0.0.1",
        ),
    ],
)
async def test_what_lasts_until_somebody_acts_says_what_to_do(
    world: World, peer: OddPeer, transport: Transport, path: str, says: str
):
    key = a_key()
    world.manager.ensure(key, ServerSpec(transport, url=peer.url(path)))
    state = await world.until_state(key, lambda state: state.phase != Phase.CONNECTING)
    assert says in state.error
    assert "s3cr3t" not in state.error
    assert state.phase == Phase.FAILED


@pytest.mark.parametrize(
    ("transport", "path", "says"),
    [
        ("http", "html", "HTTP 200 with a web page, not MCP: check the path of url: it says: Sign in"),
        ("sse", "html", "HTTP 200 with a web page, not MCP: check the path of url: it says: Sign in"),
        ("http", "gzip", "the answer is compressed (gzip)"),
        ("http", "502", "HTTP 502: it says: Sign in"),
    ],
)
async def test_what_may_pass_says_what_came(world: World, peer: OddPeer, transport: Transport, path: str, says: str):
    key = a_key()
    world.manager.ensure(key, ServerSpec(transport, url=peer.url(path)))
    state = await world.until_state(key, lambda state: state.phase != Phase.CONNECTING)
    assert says in state.error
