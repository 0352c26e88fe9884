"""The server in front of the engine, with an engine that the test directs."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from anthropic import Anthropic

from kubechain.localmodel import LocalModelError
from kubechain.localmodel.front import Front
from test.localmodel import test_messages as of_anthropic
from test.localmodel.test_toolcalls import USER, a_request

CALL = json.dumps({"name": "add", "arguments": {"a": 2}})


class Engine(HTTPServer):
    """Answers with `text`; refuses requests with a schema when told so."""

    text = CALL
    refuses_schemas = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: Engine  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        self.answer(200, {"path": self.path})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append(request)
        if self.server.refuses_schemas and "response_format" in request:
            self.answer(400, {"error": {"message": "schema"}})
        else:
            self.answer(200, {"id": "r", "choices": [{"message": {"content": self.server.text}}]})

    def answer(self, status: int, reply: dict[str, Any]) -> None:
        content = json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        thread = threading.Thread(target=engine.serve_forever)
        thread.start()
        yield engine
        engine.shutdown()
        thread.join()


@pytest.fixture
def front(engine: Engine) -> Iterator[Front]:
    with Front("127.0.0.1", 0, engine.server_port) as front:
        yield front
        front.shutdown()


def ask(front: Front, request: object | None, path: str = "/v1/chat/completions") -> tuple[int, dict[str, Any]]:
    connection = HTTPConnection("127.0.0.1", front.server_port, timeout=10)
    content = None if request is None else json.dumps(request)
    connection.request("GET" if request is None else "POST", path, content)
    reply = connection.getresponse()
    result = reply.status, json.loads(reply.read())
    connection.close()
    return result


def test_a_question_with_tools_is_answered_by_a_call(front: Front, engine: Engine) -> None:
    _, reply = ask(front, a_request(USER))
    assert reply["choices"][0]["message"]["tool_calls"][0]["function"]["name"] == "add"
    assert "response_format" in engine.requests[0]


def test_a_schema_that_the_engine_refuses_is_left_out(front: Front, engine: Engine) -> None:
    engine.refuses_schemas, engine.text = True, "five"
    status, reply = ask(front, a_request(USER))
    assert (status, reply["choices"][0]["message"]["content"]) == (200, "five")


def test_a_question_with_tools_over_the_api_of_anthropic_is_answered_by_a_call(front: Front, engine: Engine) -> None:
    _, reply = ask(front, of_anthropic.a_request(of_anthropic.USER), "/v1/messages")
    assert [(one["type"], one["name"], one["input"]) for one in reply["content"]] == [("tool_use", "add", {"a": 2})]
    assert "response_format" in engine.requests[0]


def test_the_sdk_of_anthropic_reads_a_call_from_a_stream(front: Front) -> None:
    with (
        Anthropic(base_url=f"http://127.0.0.1:{front.server_port}", api_key="none", max_retries=0) as client,
        client.messages.stream(**of_anthropic.a_request(of_anthropic.USER)) as stream,
    ):
        message = stream.get_final_message()
    [block] = message.content
    assert block.type == "tool_use"
    assert (block.name, block.input, message.stop_reason) == ("add", {"a": 2}, "tool_use")


@pytest.mark.parametrize("request_", [{"messages": [], "max_tokens": 1}, [], {"tools": [3], "messages": [3]}])
def test_other_requests_of_that_api_pass_unchanged(front: Front, engine: Engine, request_: object) -> None:
    ask(front, request_, "/v1/messages")
    assert engine.requests == [request_]


def test_other_paths_pass_unchanged(front: Front) -> None:
    assert ask(front, None, "/v1/models/m%2Fn") == (200, {"path": "/v1/models/m%2Fn"})


@pytest.mark.parametrize("request_", [[], "text", {"messages": 3}, {"messages": ["text"]}])
def test_the_engine_says_what_is_wrong_with_a_request(front: Front, engine: Engine, request_: object) -> None:
    ask(front, request_)
    assert engine.requests == [request_]


def test_an_engine_that_is_gone_is_said(engine: Engine) -> None:
    engine.server_close()
    with Front("127.0.0.1", 0, engine.server_port) as front:
        status, reply = ask(front, a_request(USER))
        front.shutdown()
    assert status == 502
    assert "engine failed" in reply["error"]["message"]


def test_a_taken_port_is_said(front: Front) -> None:
    with pytest.raises(LocalModelError, match=f"does not start on port {front.server_port}: Address already in use"):
        Front("127.0.0.1", front.server_port, 1)
