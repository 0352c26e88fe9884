"""The connections by which answers come to this manager: one for each app, shared by the channels that use it.

Slack gives an envelope to any one connection of an app. Two connections for two channels of the same app would get each
other's, so there is one, and a channel is vouched for where it uses that very app.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass, field

import structlog

from kubechain.humans.listening import Answerer, AppListener, Hearing
from kubechain.humans.model import App, AppConnector
from kubechain.runtime.clock import Clock
from kubechain.runtime.keys import Request

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

DRAIN_SECONDS = 10.0
"""For what was read before a stop. The service waits three seconds for an acknowledgement, then it sends again."""


@dataclass(slots=True)
class Listeners:
    """Owner of the connections of all apps. Only the leader has any.

    Attributes:
        answer: Does what an envelope wants.
        on_change: Enqueues a channel whose connection opened or broke.
    """

    connect: AppConnector
    answer: Answerer
    on_change: Callable[[Request], None]
    clock: Clock
    _apps: dict[Request, App] = field(default_factory=dict[Request, App])
    _problems: dict[Request, str] = field(default_factory=dict[Request, str])
    _listeners: dict[App, AppListener] = field(default_factory=dict[App, AppListener])
    _owners: dict[App, asyncio.Task[None]] = field(default_factory=dict[App, asyncio.Task[None]])
    _tasks: asyncio.TaskGroup | None = None

    async def run(self) -> None:
        """Run all connections until cancelled; then close them."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                for app in self._listeners:
                    self._start(app)
                await asyncio.get_running_loop().create_future()
        finally:
            self._tasks = None

    async def drain(self) -> None:
        """Open and read nothing more; return when what was read is answered, or its time is over."""
        self._tasks = None
        for listener in self._listeners.values():
            listener.drain()
        if self._owners:
            _, late = await asyncio.wait(set(self._owners.values()), timeout=DRAIN_SECONDS)
            if late:
                log.warning("connections of apps cancelled at the stop", count=len(late))

    def use(self, channel: Request, app: App | None) -> None:
        """Let a channel be answered by an app's connection, or by none; a connection that nobody uses is closed."""
        self._problems.pop(channel, None)
        before = self._apps.pop(channel, None)
        if app is not None:
            self._apps[channel] = app
            if app not in self._listeners:
                self._listeners[app] = self._listener(app)
                self._start(app)
        if before is not None and before not in self._apps.values():
            self._close(before)

    def refuse(self, channel: Request, problem: str) -> None:
        """Let a channel be answered by no connection, since its app is not known."""
        self.use(channel, None)
        self._problems[channel] = problem

    def uses(self, channel: Request, app: App) -> bool:
        """Whether a channel is answered by this app's connection."""
        return self._apps.get(channel) == app

    def hearing(self, channel: Request) -> Hearing | None:
        """Whether the channel's connection is open; None where it has none, or it is not known yet."""
        if (problem := self._problems.get(channel)) is not None:
            return Hearing(is_open=False, problem=problem)
        app = self._apps.get(channel)
        listener = self._listeners.get(app) if app is not None else None
        return listener.hearing if listener is not None else None

    def _listener(self, app: App) -> AppListener:
        def changed() -> None:
            for channel in [one for one, its in self._apps.items() if its == app]:
                self.on_change(channel)

        return AppListener(app, connect=self.connect, answer=self.answer, on_change=changed, rng=self.clock.random)

    def _start(self, app: App) -> None:
        if self._tasks is not None:
            # In a context of its own: what it logs belongs to no reconcile.
            run = self._listeners[app].run()
            self._owners[app] = self._tasks.create_task(run, name="listener", context=Context())

    def _close(self, app: App) -> None:
        """End a connection; what was read is still answered."""
        self._listeners.pop(app).drain()
        self._owners.pop(app, None)
