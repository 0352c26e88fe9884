"""A model server for many conversations at once, in the formats of OpenAI and of Anthropic.

    python -m bench.llm.model --latency 1 --connections 2000

prints one line of JSON, `{"origin": …}`, and serves on loopback until SIGTERM. It answers with what the user said last,
after the latency, so that a caller sees when an answer belongs to another conversation. `bench/mock_model.py` has more
ways to answer and takes more time for each, which here would be taken from the clients that are measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
from collections.abc import Callable
from typing import Any

import orjson
import uvloop
from aiohttp import web

from bench.llm.openfiles import allow_connections

Words = Callable[[str, str], dict[str, Any]]


def spoken(text: str) -> str:
    """The answer to a text."""
    return f"You said: {text}"


def as_openai(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26},
    }


def as_anthropic(model: str, text: str) -> dict[str, Any]:
    return {
        "id": "msg_mock",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 20, "output_tokens": 6},
    }


class Model:
    """The application, and how many calls it had at once.

    Attributes:
        most_in_flight: Since it was last read.
    """

    def __init__(self, latency_seconds: float) -> None:
        self._latency_seconds = latency_seconds
        self._in_flight = self.most_in_flight = 0
        self.app = web.Application(client_max_size=16 * 1024 * 1024)
        self.app.router.add_post("/v1/chat/completions", self._answering(as_openai))
        self.app.router.add_post("/v1/messages", self._answering(as_anthropic))
        self.app.router.add_get("/stats", self._stats)

    def _answering(self, words: Words) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            body = orjson.loads(await request.read())
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            try:
                await asyncio.sleep(self._latency_seconds)
            finally:
                self._in_flight -= 1
            text = spoken(said(body["messages"][-1]["content"]))
            return web.Response(body=orjson.dumps(words(body["model"], text)), content_type="application/json")

        return answer

    async def _stats(self, _: web.Request) -> web.Response:
        most, self.most_in_flight = self.most_in_flight, self._in_flight
        return web.json_response({"mostInFlight": most})


def said(content: Any) -> str:
    """The text of a message, which both formats also take as a list of blocks."""
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


async def serve(model: Model) -> None:
    """Serve on loopback until SIGTERM or SIGINT."""
    runner = web.AppRunner(model.app, access_log=None, handler_cancellation=True, keepalive_timeout=75)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
    print(json.dumps({"origin": f"http://127.0.0.1:{runner.addresses[0][1]}"}), flush=True)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latency", type=float, default=1.0, help="seconds before each answer")
    parser.add_argument("--connections", type=int, default=2000, help="at once, at most")
    options = parser.parse_args()
    allow_connections(options.connections)
    uvloop.run(serve(Model(options.latency)))


if __name__ == "__main__":
    main()
