"""A mock of an OpenAI-compatible model server: fast, deterministic, and broken on demand.

    python bench/mock_model.py --port 0 --latency 0.5

prints one line of JSON, `{"baseUrl": …, "port": …}`, and serves on loopback until SIGTERM. Used by the benches as a
process of its own, and by tests as an aiohttp application (`MockModel().app`). It counts what it is asked (GET /stats).

The model's name chooses what happens; any other name answers after the latency:

    status-503            that status, with an error as OpenAI words it
    retry-after-7         429 with `Retry-After: 7`; retry-after-ms-50 and reset-2m0s likewise in the other forms
    quota                 429 with code insufficient_quota
    echo-key              401 whose text repeats the key that was sent
    untyped               400 where a schema for the answer is asked for
    unlisted              not among the models, 404 when asked
    empty, no-choices     answers without text, without choices
    garbage, html, list   not JSON, a web page with status 200, JSON that is no object
    filtered, refusal     stopped by a content filter, refused by the model
    length, cut-call      cut at the token limit: in the text, in a tool call's arguments
    flaky-2               the first 2 calls of each conversation fail with 503
    slow-5                answers after 5 s
    hang, drip            never answers, sends a byte now and then for ever
    close, truncate       closes the connection before, in the middle of the reply
    huge                  a reply without end
    redirect              307 to another path
    tools                 calls the first tool offered, with the JSON object in the user's text; then answers in text
    tools-8               the same with 8 calls side by side
    reasoning             like tools, with fields of its own in the message and in its call, as reasoning models send

A key that starts with `wrong` gets 401 from everything.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import signal
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

Handler = Callable[["Question"], Awaitable[web.StreamResponse]]

ANSWER = "The moon has no capital."


class Question:
    """A completion request as it came in."""

    def __init__(self, request: web.Request, body: Mapping[str, Any], asked_before: int) -> None:
        self.request = request
        self.body = body
        self.asked_before = asked_before
        self.model = str(body["model"])

    @property
    def key(self) -> str:
        """The key that was sent."""
        authorization = self.request.headers.get("Authorization", "")
        return authorization.removeprefix("Bearer ") or self.request.headers.get("api-key", "")

    @property
    def argument(self) -> str:
        """What follows the mode in the model's name."""
        return self.model.rpartition("-")[2]


class MockModel:
    """The application and its counts.

    Attributes:
        app: To be served.
        bodies: The last 1,000 completion requests, oldest first, when `keep_bodies` is set; `headers` belong to them.
        in_flight: Calls that are being answered; `most_in_flight` is the record, `cancelled` those given up by clients.
    """

    def __init__(self, *, latency_seconds: float = 0.0, keep_bodies: bool = False) -> None:
        self.latency_seconds = latency_seconds
        self.keep_bodies = keep_bodies
        self.bodies: list[dict[str, Any]] = []
        self.in_flight = self.most_in_flight = self.cancelled = 0
        self.by_model: Counter[str] = Counter()
        self.by_conversation: Counter[str] = Counter()
        self.headers: list[dict[str, str]] = []
        self._moved = asyncio.Event()
        self.app = web.Application(client_max_size=16 * 1024 * 1024)
        for prefix in ("/v1", "/openai"):
            self.app.router.add_get(f"{prefix}/models", self._models)
            self.app.router.add_get(f"{prefix}/models/{{model:.+}}", self._model)
        self.app.router.add_post("/v1/chat/completions", self._completions)
        self.app.router.add_post("/openai/deployments/{model}/chat/completions", self._completions)
        self.app.router.add_get("/stats", self._stats)

    def statistics(self) -> dict[str, Any]:
        """What was asked so far."""
        asked = self.by_conversation.values()
        return {
            "completions": sum(asked),
            "conversations": len(self.by_conversation),
            "repeated": sum(count - 1 for count in asked),
            "inFlight": self.in_flight,
            "mostInFlight": self.most_in_flight,
            "cancelled": self.cancelled,
            "byModel": dict(self.by_model),
        }

    async def _stats(self, _: web.Request) -> web.Response:
        return web.json_response(self.statistics())

    async def _models(self, request: web.Request) -> web.Response:
        if refused := _wrong_key(request):
            return refused
        return web.json_response({"object": "list", "data": [_model_object("gpt-4o"), _model_object("mock")]})

    async def _model(self, request: web.Request) -> web.Response:
        name = request.match_info["model"]
        if refused := _wrong_key(request):
            return refused
        if name == "unlisted":
            return _error(404, f"The model '{name}' does not exist", code="model_not_found")
        return web.json_response(_model_object(name))

    async def _completions(self, request: web.Request) -> web.StreamResponse:
        if refused := _wrong_key(request):
            return refused
        raw = await request.read()
        question = self._record(request, raw)
        self._move(1)
        try:
            await asyncio.sleep(self.latency_seconds)
            return await _mode(question.model)(question)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._move(-1)

    async def wait_for_in_flight(self, count: int) -> None:
        """Wait until just so many calls are in flight."""
        while self.in_flight != count:
            await self._moved.wait()

    def _move(self, by: int) -> None:
        self.in_flight += by
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        self._moved.set()
        self._moved = asyncio.Event()

    def _record(self, request: web.Request, raw: bytes) -> Question:
        body: dict[str, Any] = json.loads(raw)
        conversation = hashlib.sha256(raw).hexdigest()
        asked_before = self.by_conversation[conversation]
        self.by_conversation[conversation] += 1
        self.by_model[str(body["model"])] += 1
        if self.keep_bodies:
            self.bodies = [*self.bodies[-999:], body]
            self.headers = [*self.headers[-999:], dict(request.headers)]
        return Question(request, body, asked_before)


# --- replies


def _wrong_key(request: web.Request) -> web.Response | None:
    key = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return _error(401, f"Incorrect API key provided: {key}.", code="invalid_api_key") if _is_wrong(key) else None


def _is_wrong(key: str) -> bool:
    return key.startswith("wrong")


def _model_object(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "mock"}


def _error(status: int, message: str, *, code: str, headers: Mapping[str, str] | None = None) -> web.Response:
    error = {"message": message, "type": code, "param": None, "code": code}
    return web.json_response({"error": error}, status=status, headers=headers)


def _completion(
    question: Question, *, finish_reason: str = "stop", message: Mapping[str, Any] | None = None
) -> web.Response:
    spoken = message if message is not None else {"role": "assistant", "content": ANSWER}
    body = {
        "id": "chatcmpl-mock",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": question.model,
        "choices": [{"index": 0, "message": spoken, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26},
    }
    return web.json_response(body, headers={"Set-Cookie": "session=mock; Path=/"})  # as providers' front ends do


async def _answer(question: Question) -> web.Response:
    return _completion(question)


async def _status(question: Question) -> web.Response:
    return _error(int(question.argument), f"mock error {question.argument}", code="mock_error")


async def _retry_after(question: Question) -> web.Response:
    return _limited({"Retry-After": question.argument})


async def _retry_after_ms(question: Question) -> web.Response:
    return _limited({"Retry-After-Ms": question.argument})


async def _reset(question: Question) -> web.Response:
    return _limited({"X-RateLimit-Reset-Requests": question.argument, "X-RateLimit-Remaining-Requests": "0"})


def _limited(headers: Mapping[str, str]) -> web.Response:
    return _error(429, "Rate limit reached. Please try again in 1.234s.", code="rate_limit_exceeded", headers=headers)


async def _quota(_: Question) -> web.Response:
    return _error(429, "You exceeded your current quota.", code="insufficient_quota")


async def _echo_key(question: Question) -> web.Response:
    return _error(401, f"Incorrect API key provided: {question.key}.", code="invalid_api_key")


async def _unlisted(question: Question) -> web.Response:
    return _error(404, f"The model '{question.model}' does not exist", code="model_not_found")


async def _untyped(question: Question) -> web.Response:
    if "response_format" in question.body:
        return _error(400, "This response_format type is unavailable now", code="invalid_request_error")
    return _completion(question)


async def _empty(question: Question) -> web.Response:
    return _completion(question, message={"role": "assistant", "content": ""})


async def _no_choices(_: Question) -> web.Response:
    return web.json_response({"object": "chat.completion", "choices": []})


async def _garbage(_: Question) -> web.Response:
    return web.Response(body=b'{"choices": [{"mess\xff\x00', content_type="application/json")


async def _html(_: Question) -> web.Response:
    return web.Response(text="<html><body>Welcome</body></html>", content_type="text/html")


async def _list(_: Question) -> web.Response:
    return web.json_response([1, 2, 3])


async def _filtered(question: Question) -> web.Response:
    return _completion(question, finish_reason="content_filter", message={"role": "assistant", "content": "The m"})


async def _refusal(question: Question) -> web.Response:
    return _completion(question, message={"role": "assistant", "content": None, "refusal": "I cannot help with that."})


async def _length(question: Question) -> web.Response:
    return _completion(question, finish_reason="length", message={"role": "assistant", "content": "The moon has"})


async def _cut_call(question: Question) -> web.Response:
    return _completion(question, finish_reason="length", message=_tool_call("add", '{"a": 1, "b'))


async def _flaky(question: Question) -> web.Response:
    if question.asked_before < int(question.argument):
        return _error(503, "mock is flaky", code="server_error")
    return _completion(question)


async def _slow(question: Question) -> web.Response:
    await asyncio.sleep(float(question.argument))
    return _completion(question)


async def _hang(_: Question) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def _drip(question: Question) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(question.request)
    while True:
        await response.write(b" ")
        await asyncio.sleep(0.01)


async def _close(question: Question) -> web.Response:
    _drop(question)
    return web.Response()


async def _truncate(question: Question) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(question.request)
    await response.write(b'{"choices": [{"message": {"content": "The')
    _drop(question)
    return response


async def _huge(question: Question) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(question.request)
    while True:
        await response.write(b" " * 65_536)


async def _redirect(_: Question) -> web.Response:
    return web.Response(status=307, headers={"Location": "/elsewhere"})


async def _tools(question: Question) -> web.Response:
    return _call_tools(question, 1)


async def _many_tools(question: Question) -> web.Response:
    return _call_tools(question, int(question.argument))


async def _reasoning(question: Question) -> web.Response:
    message = _tool_call("add", '{"a": 1}') if question.body["messages"][-1]["role"] == "user" else {"content": ANSWER}
    for call in message.get("tool_calls", ()):
        call["extra_content"] = {"google": {"thought_signature": "c2lnbmVk"}}
    return _completion(question, message={"role": "assistant", "reasoning_content": "Let me think.", **message})


def _call_tools(question: Question, count: int) -> web.Response:
    messages: list[dict[str, Any]] = question.body["messages"]
    if question.body.get("tools") and messages[-1]["role"] == "user":
        text = str(messages[-1]["content"])
        arguments = text[text.find("{") : text.rfind("}") + 1] if "{" in text else "{}"
        name = str(question.body["tools"][0]["function"]["name"])
        message = _tool_call(name, arguments)
        first = message["tool_calls"][0]
        message["tool_calls"] = [{**first, "id": f"call_mock{number}"} for number in range(1, count + 1)]
        return _completion(question, finish_reason="tool_calls", message=message)
    return _completion(question, message={"role": "assistant", "content": str(messages[-1]["content"])})


def _tool_call(name: str, arguments: str) -> dict[str, Any]:
    call = {"id": "call_mock1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _drop(question: Question) -> None:
    if question.request.transport is not None:
        question.request.transport.abort()


_EXACT: Mapping[str, Handler] = {
    "quota": _quota,
    "echo-key": _echo_key,
    "unlisted": _unlisted,
    "untyped": _untyped,
    "empty": _empty,
    "no-choices": _no_choices,
    "garbage": _garbage,
    "html": _html,
    "list": _list,
    "filtered": _filtered,
    "refusal": _refusal,
    "length": _length,
    "cut-call": _cut_call,
    "hang": _hang,
    "drip": _drip,
    "close": _close,
    "truncate": _truncate,
    "huge": _huge,
    "redirect": _redirect,
    "tools": _tools,
    "reasoning": _reasoning,
}

_WITH_ARGUMENT: Mapping[str, Handler] = {
    "status": _status,
    "retry-after": _retry_after,
    "retry-after-ms": _retry_after_ms,
    "reset": _reset,
    "flaky": _flaky,
    "slow": _slow,
    "tools": _many_tools,
}


def _mode(model: str) -> Handler:
    return _EXACT.get(model) or _WITH_ARGUMENT.get(model.rpartition("-")[0]) or _answer


# --- the process


async def serve(model: MockModel, *, port: int) -> None:
    """Serve on loopback until SIGTERM or SIGINT."""
    runner = web.AppRunner(model.app, access_log=None, handler_cancellation=True)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port, backlog=4096)
    await site.start()
    taken = int(runner.addresses[0][1])
    sys.stdout.write(json.dumps({"baseUrl": f"http://127.0.0.1:{taken}/v1", "port": taken}) + "\n")
    sys.stdout.flush()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer (default: 0)")
    options = parser.parse_args()
    asyncio.run(serve(MockModel(latency_seconds=options.latency), port=options.port))


if __name__ == "__main__":
    main()
