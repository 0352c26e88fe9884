"""Servers as people start them, fetched from the registries of Python and Node, over each transport.

What is fetched is kept in the user's cache folder. On a machine that reaches no registry the tests are skipped.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from kubechain.mcp.elicitation import FormAsked, Inputs, Reply, UrlAsked, with_defaults
from kubechain.mcp.errors import TimedOut
from kubechain.mcp.model import CallResult, ServerSpec, Transport
from test import registry
from test.mcp.asking import accepted, held, replied
from test.mcp.conftest import SERVERS, World

START_SECONDS = 120
"""For a first start, which fetches packages, on a busy machine."""

NEEDS_TASKS = "simulate-research-query"
"""A tool of server-everything that is not offered."""

FASTMCP = ("--with", "fastmcp>=2,<5")
OLD_SDK = ("--with", "mcp==1.9.4", "--with", "pydantic==2.11.*")
"""An SDK that knows neither structured content nor the newer revisions; newer releases of pydantic break it."""


@pytest.fixture
def pypi() -> None:
    """Packages of Python can be fetched."""
    registry.require(registry.why_not_pypi())


@pytest.fixture
def npm() -> None:
    """Packages of Node can be fetched."""
    registry.require(registry.why_not_npm())


def fetched(command: str, *args: str, **env: str) -> ServerSpec:
    """A server that is fetched when it starts."""
    variables = {name: SecretStr(value) for name, value in (registry.environment() | env).items()}
    return ServerSpec("stdio", command=command, args=args, env=variables)


def npx(package: str, *args: str) -> ServerSpec:
    return fetched("npx", "-y", package, *args)


def python(packages: tuple[str, ...], transport: str, port: int = 0) -> tuple[str, ...]:
    """The arguments of uv that start our calculator with these packages."""
    return ("run", "--no-project", *packages, str(SERVERS / "calculator.py"), transport, str(port))


async def names_and_answer(world: World, spec: ServerSpec, tool: str, **arguments: Any) -> tuple[set[str], str]:
    """What a server offers, and what it answers to one call."""
    key = await world.ready(spec, seconds=START_SECONDS)
    result = await world.call(key, tool, timeout_seconds=30, **arguments)
    assert not result.is_error, result
    assert {flaw.tool for flaw in world.state(key).flaws} <= {NEEDS_TASKS}
    return {tool.name for tool in world.state(key).tools}, result.content


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a commit."""
    (tmp_path / "file").write_text("words")
    identity = ("-c", "user.name=A", "-c", "user.email=a@example.com")
    for command in (("init", "-q"), ("add", "."), (*identity, "commit", "-qm", "The first words")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.usefixtures("pypi")
async def test_git(world: World, repository: Path):
    spec = fetched("uvx", "mcp-server-git", "--repository", str(repository))
    names, answer = await names_and_answer(world, spec, "git_log", repo_path=str(repository))
    assert {"git_status", "git_diff_staged", "git_commit"} <= names
    assert "The first words" in answer


@pytest.mark.usefixtures("pypi")
async def test_time(world: World):
    spec = fetched("uvx", "mcp-server-time", "--local-timezone=UTC")
    names, answer = await names_and_answer(world, spec, "get_current_time", timezone="Asia/Tokyo")
    assert (names, "Asia/Tokyo" in answer) == ({"get_current_time", "convert_time"}, True)


@pytest.mark.usefixtures("pypi")
async def test_fetch(world: World):
    key = await world.ready(fetched("uvx", "mcp-server-fetch"), seconds=START_SECONDS)
    assert [tool.name for tool in world.state(key).tools] == ["fetch"]


@pytest.mark.usefixtures("npm")
async def test_filesystem(world: World, tmp_path: Path):
    (tmp_path / "file").write_text("words")
    spec = npx("@modelcontextprotocol/server-filesystem", str(tmp_path))
    names, answer = await names_and_answer(world, spec, "read_text_file", path=str(tmp_path / "file"))
    assert {"list_directory", "move_file"} <= names
    assert answer == "words"


EVERYTHING = "@modelcontextprotocol/server-everything"
PAGE = "https://login.example.com/start"


@pytest.mark.usefixtures("npm")
async def test_everything(world: World):
    names, answer = await names_and_answer(world, npx(EVERYTHING), "get-tiny-image")
    assert {"echo", "get-structured-content"} <= names
    assert "[image: image/png, " in answer


@pytest.mark.usefixtures("npm")
async def test_everything_is_not_told_of_what_is_not_offered(world: World):
    key = await world.ready(npx(EVERYTHING), seconds=START_SECONDS)
    tools = {tool.name: tool for tool in world.state(key).tools}
    asking = {"trigger-sampling-request", "trigger-elicitation-request", "get-roots-list"}
    assert not asking & tools.keys(), "it lists them only for clients that say that they have these"
    assert (tools["echo"].read_only, tools["toggle-simulated-logging"].read_only) == (True, False)


@pytest.mark.usefixtures("npm")
async def test_everything_takes_its_time_or_is_cancelled(world: World):
    key = await world.ready(npx(EVERYTHING), seconds=START_SECONDS)
    tool = "trigger-long-running-operation"
    with pytest.raises(TimedOut):
        await world.call(key, tool, timeout_seconds=0.2, duration=600, steps=1)
    assert "completed" in (await world.call(key, tool, timeout_seconds=60, duration=1, steps=2)).content


@pytest.mark.usefixtures("npm")
async def test_everything_asks_a_person_who_leaves_out_what_has_a_default(world: World):
    key = await world.ready(replace(npx(EVERYTHING), asks_first=True), seconds=START_SECONDS)
    asked = await held(world, key, "trigger-elicitation-request")
    (form,) = (item.asked for item in asked.items)
    assert isinstance(form, FormAsked)
    reply = accepted(**with_defaults(form.schema, {"name": "Ada"}))
    done = await held(world, key, "trigger-elicitation-request", replied(asked, reply))
    assert "- Name: Ada\n- Favorite Integer: 42" in done.content
    declined = await held(world, key, "trigger-elicitation-request")
    await world.call(key, "echo", message="hi")  # ends the call that is held
    done = await held(world, key, "trigger-elicitation-request", replied(declined, Reply("decline")))
    assert "declined" in done.content


@pytest.mark.usefixtures("npm")
@pytest.mark.parametrize(
    ("is_error", "pages"),
    [
        pytest.param(False, [PAGE], id="by a request"),
        pytest.param(True, ["https://modelcontextprotocol.io", PAGE], id="by an error first, which has another page"),
    ],
)
async def test_everything_wants_pages_to_be_opened(world: World, is_error: bool, pages: list[str]):
    key = await world.ready(replace(npx(EVERYTHING), asks_first=True), seconds=START_SECONDS)
    arguments: dict[str, Any] = {"url": PAGE, "errorPath": is_error}
    opened: list[str] = []
    result: CallResult | Inputs = await held(world, key, "trigger-url-elicitation", **arguments)
    while isinstance(result, Inputs) and len(opened) < len(pages):
        (page,) = (item.asked for item in result.items)
        assert isinstance(page, UrlAsked)
        opened.append(page.url)
        result = await held(world, key, "trigger-url-elicitation", replied(result, Reply("accept")), **arguments)
    assert opened == pages
    assert isinstance(result, CallResult)
    assert "User completed" in result.content


@pytest.mark.usefixtures("pypi")
@pytest.mark.parametrize("packages", [FASTMCP, OLD_SDK], ids=["fastmcp", "the older SDK"])
async def test_frameworks_over_stdio(world: World, packages: tuple[str, ...]):
    spec = fetched("uv", *python(packages, "stdio"))
    assert await names_and_answer(world, spec, "add", a=1, b=2) == ({"add"}, "3")


@dataclass(frozen=True)
class Published:
    """A server over HTTP, how it is started, and a call with its answer.

    Attributes:
        packages: Of Python, with our calculator; none: server-everything of Node.
    """

    transport: Transport
    path: str
    packages: tuple[str, ...] = ()

    def require(self) -> None:
        registry.require(registry.why_not_pypi() if self.packages else registry.why_not_npm())

    def command(self, port: int) -> tuple[str, ...]:
        if self.packages:
            return (str(registry.UV), *python(self.packages, self.transport, port))
        return ("npx", "-y", EVERYTHING, "sse" if self.transport == "sse" else "streamableHttp")


@pytest.mark.parametrize(
    "published",
    [
        pytest.param(Published("http", "/mcp"), id="everything, streamable HTTP"),
        pytest.param(Published("sse", "/sse"), id="everything, SSE"),
        pytest.param(Published("http", "/mcp/", FASTMCP), id="fastmcp, streamable HTTP, by a redirect"),
        pytest.param(Published("sse", "/sse", FASTMCP), id="fastmcp, SSE"),
        pytest.param(Published("http", "/mcp/", OLD_SDK), id="the older SDK, streamable HTTP"),
        pytest.param(Published("http", "/mcp", OLD_SDK), id="the older SDK, streamable HTTP, by a redirect"),
        pytest.param(Published("sse", "/sse", OLD_SDK), id="the older SDK, SSE"),
    ],
)
async def test_servers_over_http(world: World, published: Published):
    published.require()
    port = free_port()
    with serving(published.command(port), port):
        spec = ServerSpec(published.transport, url=f"http://127.0.0.1:{port}{published.path}")
        if published.packages:
            assert await names_and_answer(world, spec, "add", a=1, b=2) == ({"add"}, "3")
        else:
            assert (await names_and_answer(world, spec, "echo", message="hi"))[1] == "Echo: hi"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def serving(command: tuple[str, ...], port: int) -> Generator[None]:
    """Run a server until the end of the block, with all its processes."""
    environment = os.environ | registry.environment() | {"PORT": str(port)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
