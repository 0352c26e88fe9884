"""Servers that people use, as they are published."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator

import pytest

from kubechain.mcp.model import ServerSpec
from test.mcp.conftest import World


class Page(http.server.BaseHTTPRequestHandler):
    """One page."""

    def do_GET(self) -> None:
        """Answer."""
        found = self.path == "/"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if found:
            self.wfile.write(b"<html><body><h1>Harvest</h1><p>The pears are ripe.</p></body></html>")

    def log_message(self, format: str, *args: object) -> None:
        """Be quiet."""


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a page on loopback."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


async def test_time(world: World):
    key = await world.ready(ServerSpec("stdio", command="mcp-server-time", args=("--local-timezone", "UTC")))
    assert [tool.name for tool in world.state(key).tools] == ["get_current_time", "convert_time"]
    result = await world.call(key, "get_current_time", timezone="Asia/Tokyo")
    assert json.loads(result.content)["timezone"] == "Asia/Tokyo"
    assert (await world.call(key, "get_current_time", timezone="Mars/Base")).is_error


async def test_fetch(world: World, page: str):
    key = await world.ready(ServerSpec("stdio", command="mcp-server-fetch", args=("--allow-private-ips",)))
    assert "The pears are ripe." in (await world.call(key, "fetch", url=page)).content


async def test_fetch_refuses_loopback_by_default(world: World, page: str):
    key = await world.ready(ServerSpec("stdio", command="mcp-server-fetch"))
    assert (await world.call(key, "fetch", url=page)).is_error
