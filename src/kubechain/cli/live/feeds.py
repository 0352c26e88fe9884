"""What the browsers are sent: the newest parts of a page, and of each browser, which of them it has."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any

from kubechain.pages.rendering import Parts

KEEP_ALIVE_SECONDS = 15.0
"""After that long without news a line is sent, so that a connection that broke is noticed."""


class Feed:
    """The parts of one page, for as long as a browser shows it."""

    def __init__(self, source: Callable[[Feed], Coroutine[Any, Any, None]]) -> None:
        """Not running yet.

        Args:
            source: Publishes to the feed until it is cancelled; what it raises ends the process's page.
        """
        self._source = source
        self._task: asyncio.Task[None] | None = None
        self._readers = 0
        self._parts: Parts | None = None
        self._trouble = ""
        self._is_over = False
        self._changed = asyncio.Event()

    def publish(self, parts: Parts) -> None:
        """Show these parts; the API server is there."""
        self._parts, self._trouble = parts, ""
        self._notify()

    def complain(self, trouble: str, *, is_over: bool = False) -> None:
        """Say what is wrong.

        Args:
            is_over: Whether nothing more will come.
        """
        self._trouble, self._is_over = trouble, is_over
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def lines(self) -> AsyncGenerator[str]:
        """Yield server-sent events for one browser: what it does not have yet."""
        self._begin()
        known, trouble = Known(), ""
        try:
            while True:
                changed = self._changed
                if self._parts is not None and (news := known.news(self._parts)):
                    yield _event("parts", news)
                if self._trouble != trouble:
                    trouble = self._trouble
                    yield _event("trouble", {"text": trouble, "isOver": self._is_over})
                if changed.is_set():
                    continue
                try:
                    async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                        await changed.wait()
                except TimeoutError:
                    yield ": still here\n\n"
        finally:
            await self._leave()

    def _begin(self) -> None:
        self._readers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._source(self))

    async def _leave(self) -> None:
        self._readers -= 1
        task = self._task
        if self._readers == 0 and task is not None:
            self._task = None
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def is_idle(self) -> bool:
        """Whether no browser reads it."""
        return self._readers == 0


class Known:
    """What one browser has of a page."""

    def __init__(self) -> None:
        """Nothing."""
        self._html: Mapping[str, str] = {}
        self._order: Mapping[str, tuple[str, ...]] = {}

    def news(self, parts: Parts) -> dict[str, Any]:
        """The parts and orders that differ from what is known, and then are known; empty where none does."""
        changed = {id: html for id, html in parts.html.items() if self._html.get(id) != html}
        moved = {box: ids for box, ids in parts.order.items() if self._order.get(box) != ids}
        self._html, self._order = parts.html, parts.order
        return {"html": changed, "order": moved} if changed or moved else {}


def _event(name: str, data: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"
