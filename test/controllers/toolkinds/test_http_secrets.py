"""An endpoint that refuses a credential, where no watch tells that its Secret was changed."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any, cast

import pytest

from kubechain.api.taskrun import ToolCallType
from kubechain.api.tool import Tool, ToolSpec
from kubechain.controllers.secrets import SecretReader
from kubechain.controllers.toolkinds.http import HttpTools
from kubechain.controllers.toolkinds.model import Answered, Invocation, tool_offer
from kubechain.runtime.client import Client
from kubechain.runtime.clock import LoopClock
from kubechain.tools.external_api import ApiRequest
from kubechain.tools.model import Output
from test.controllers.builders import meta
from test.runtime.fake_apiserver import FakeApiServer


class Endpoint:
    """A service that takes one token, and keeps those that it was shown."""

    def __init__(self) -> None:
        self.token, self.shown = "old", list[str]()

    def check(self, request: ApiRequest) -> None:
        del request

    async def call(self, request: ApiRequest, arguments: Mapping[str, Any], *, timeout_seconds: float) -> Output:
        assert request.credentials is not None
        self.shown.append(request.credentials.get_secret_value())
        if self.shown[-1] == self.token:
            return Output("booked")
        return Output("HTTP 401", is_error=True, is_refused=True)


def put(server: FakeApiServer, token: str) -> None:
    data = {"TOKEN": base64.b64encode(token.encode()).decode()}
    server.put("api/v1/secrets", {"metadata": {"name": "tools", "namespace": "default"}, "data": data})


def a_call() -> Invocation:
    api = {"url": "https://tools.example/book", "credentialsFrom": {"name": "tools", "key": "TOKEN"}}
    tool = Tool(metadata=meta("book"), spec=ToolSpec.model_validate({"execute": {"externalAPI": api}}))
    offer = tool_offer(tool, "book", ToolCallType.EXTERNAL_API)
    return Invocation("default", "call", "uid", offer, {}, "key", 30.0, dict)


@pytest.mark.parametrize(
    ("kept", "shown", "answer"),
    [
        pytest.param("new", ["old", "old", "new"], Answered("booked"), id="it has another value: once more, with that"),
        pytest.param("old", ["old", "old"], Answered("HTTP 401", is_error=True), id="the same: the model reads it"),
    ],
)
async def test_a_refused_credential_is_compared_with_its_secret(kept: str, shown: list[str], answer: Answered) -> None:
    server, endpoint, clock = FakeApiServer(), Endpoint(), LoopClock()
    put(server, "old")
    secrets = SecretReader(Client(server, clock=clock), cast(Any, None), clock, lambda namespace: False)
    tools = HttpTools(endpoint, secrets)
    assert await tools.execute(a_call()) == Answered("booked")
    put(server, kept)
    endpoint.token = "new"
    assert await tools.execute(a_call()) == answer
    assert endpoint.shown == shown
