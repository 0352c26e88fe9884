"""The double of Slack in a thread of its own, for tests that drive the programs as a person does."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from test.humans.slackdouble import SlackDouble, a_slack

T = TypeVar("T")

SECONDS = 90.0
"""How long something may take that the manager does: a start under load."""


@dataclass(frozen=True, slots=True)
class SlackServer:
    """Slack, as a test sees it.

    Attributes:
        url: Address of its Web API.
    """

    double: SlackDouble
    url: str
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the double's thread."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(SECONDS)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what the manager calls has had an effect."""
        self.do(self.double.until(condition))

    def message(self) -> tuple[str, dict[str, Any]]:
        """The only message, with its time-stamp."""
        [(ts, message)] = self.double.messages.items()
        return ts, message

    def press(self, label: str, *, user: str) -> Any:
        """Press a button of the message; returns what came with the acknowledgement."""
        _, message = self.message()
        [actions] = [one for one in message["blocks"] if one["type"] == "actions"]
        [button] = [one for one in actions["elements"] if one["text"]["text"] == label]
        pressed = {"type": "block_actions", "user": {"id": user}, "trigger_id": "t-1", "actions": [button]}
        return self.send(pressed)

    def submit(self, *, user: str, **typed: str) -> Any:
        """Fill in the dialog that was opened last, and send it."""
        view = self.double.views[-1]["view"]
        values = {name: {name: {"type": "plain_text_input", "value": text}} for name, text in typed.items()}
        sent = view | {"state": {"values": values}}
        return self.send({"type": "view_submission", "user": {"id": user}, "view": sent})

    def reply(self, text: str, *, user: str) -> None:
        """Reply in the thread of the message."""
        ts, message = self.message()
        event = {"type": "message", "channel": message["channel"], "thread_ts": ts, "ts": f"{ts}9"}
        event |= {"user": user, "text": text}
        self.send({"type": "event_callback", "event": event}, type_="events_api")

    def send(self, payload: dict[str, Any], *, type_: str = "interactive") -> Any:
        """Send an envelope over the newest connection, and wait until it is acknowledged."""
        app = self.double.app
        # As it is on the wire: nothing that both sides share.
        id_ = self.do(app.send(json.loads(json.dumps(payload)), type_=type_))
        return self.do(app.ack(id_))


@contextmanager
def a_slack_server() -> Generator[SlackServer]:
    """Slack in a thread of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="slack")
    thread.start()
    slack = a_slack()
    try:
        double, url = asyncio.run_coroutine_threadsafe(slack.__aenter__(), loop).result(SECONDS)
        try:
            yield SlackServer(double, url, loop)
        finally:
            asyncio.run_coroutine_threadsafe(slack.__aexit__(None, None, None), loop).result(SECONDS)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
