"""When a run is followed that is not there yet."""

from __future__ import annotations

from typing import Any

import pytest

from kubechain.cli import following
from kubechain.cli.clusters import Place
from kubechain.runtime.errors import NotFound
from test.views.builders import a_run


class Server:
    """Has the run at the given try."""

    def __init__(self, found_at: int) -> None:
        self.found_at, self.tries = found_at, 0

    async def get(self, resource: Any, namespace: str, name: str) -> Any:
        self.tries += 1
        if self.tries < self.found_at:
            raise NotFound(404, "NotFound", f"{name} not found")
        return a_run(name, phase="FinalAnswer", output="Done.")

    async def list(self, resource: Any, namespace: str, *, field_selector: str) -> list[Any]:
        return []

    @property
    def place(self) -> Place:
        client: Any = self
        return Place(client, "default")


@pytest.fixture(autouse=True)
def _without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "REST_SECONDS", 0.0)


async def followed(server: Server) -> str:
    return (await following.follow(server.place, "hello-1", lambda _: False, print)).output


@pytest.mark.parametrize("found_at", [1, 2, following.BEGIN_TRIES])
async def test_a_run_that_comes_a_moment_later_is_followed(found_at: int) -> None:
    assert await followed(Server(found_at)) == "Done."


async def test_a_run_that_does_not_come_is_not_found() -> None:
    server = Server(1000)
    with pytest.raises(NotFound):
        await followed(server)
    assert server.tries == following.BEGIN_TRIES + 1
