"""What a server's JSON-RPC error means for the call that it answers."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, cast
from urllib.parse import quote

import mcp_types as types
import pytest
from mcp.shared.exceptions import MCPError
from pydantic import SecretStr

from kubechain.mcp import exchange
from kubechain.mcp.errors import ConnectionLost, McpError, NotSent, TimedOut
from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.intake import Intake
from kubechain.mcp.model import CallResult, ServerSpec
from kubechain.mcp.sdk import SdkLink


class Refusing:
    """A client, and its session, whose server answers every request with one error."""

    def __init__(self, code: int) -> None:
        """Take the error's code."""
        self.session = self
        self._code = code

    async def send_request(self, *_: object) -> Any:
        raise MCPError(self._code, "no")


class Telling:
    """A client, and its session, whose server answers every call with one text."""

    def __init__(self, text: str) -> None:
        """Take the text."""
        self.session = self
        self._text = text

    async def send_request(self, *_: object) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(type="text", text=self._text)])


class Deaf:
    """An observer that keeps nothing."""

    def ended(self, failure: ConnectFailure) -> None: ...
    def tools_changed(self) -> None: ...
    def said(self, text: str) -> None: ...
    def suspect(self) -> None: ...


def link(code: int) -> SdkLink:
    return SdkLink(cast(Any, Refusing(code)), ServerSpec("stdio"), Deaf(), Intake())


async def answer_of(link: SdkLink, tool: str) -> CallResult:
    result = await link.call(tool, {}, meta={})
    assert isinstance(result, CallResult)
    return result


@pytest.mark.parametrize(
    "code",
    [
        pytest.param(types.INVALID_PARAMS, id="invalid params: also said of a tool's own output, after its work"),
        pytest.param(types.INVALID_REQUEST, id="invalid request: also raised by tools"),
        pytest.param(types.INTERNAL_ERROR, id="internal error"),
        pytest.param(-32000 - 42, id="an error of the server's own"),
    ],
)
async def test_an_error_that_may_come_after_the_work_is_an_answer_and_never_a_reason_to_repeat(code: int) -> None:
    result = await answer_of(link(code), "launch")
    assert (result.is_error, result.content) == (True, f"error {code}: no")


@pytest.mark.parametrize(
    ("code", "error"),
    [
        pytest.param(types.METHOD_NOT_FOUND, NotSent, id="the server has no tools"),
        pytest.param(exchange.NOT_SENT, NotSent, id="the request did not get there"),
        pytest.param(exchange.LOST, ConnectionLost, id="the answer did not get here"),
        pytest.param(types.REQUEST_TIMEOUT, TimedOut, id="no answer in time"),
    ],
)
async def test_other_errors_say_what_is_known_about_the_effect(code: int, error: type[McpError]) -> None:
    with pytest.raises(error):
        await answer_of(link(code), "launch")


async def test_a_tool_that_repeats_its_secrets_is_not_repeated_by_us() -> None:
    token, level = SecretStr("s3cr3t-canary"), SecretStr("info")
    spec = ServerSpec("stdio", env={"TOKEN": token, "LOG_LEVEL": level}, confidential=(token,))
    telling = SdkLink(cast(Any, Telling("TOKEN=s3cr3t-canary LOG_LEVEL=info")), spec, Deaf(), Intake())
    assert (await answer_of(telling, "env")).content == "TOKEN=[redacted] LOG_LEVEL=info"


SECRETS = [
    pytest.param('pa"ss"word', id="a quote"),
    pytest.param("pa\\ss\\word", id="a backslash"),
    pytest.param(
        "-----BEGIN KEY-----\nMIIEvgIBADANBgkqhkiG9w0BAQEF\nAASCBKgwggSkAgEAAoIB\n-----END KEY-----\n", id="a PEM key"
    ),
    pytest.param("pässwörd", id="a letter beyond ASCII"),
]


def basic(secret: str) -> str:
    return base64.b64encode(f"me:{secret}".encode()).decode()


def unicode_json(secret: str) -> str:
    return json.dumps(secret, ensure_ascii=False)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("write", [json.dumps, unicode_json, quote, basic, repr, str])
async def test_a_secret_is_not_repeated_in_another_form(secret: str, write: Callable[[str], str]) -> None:
    written = write(secret.strip())
    spec = ServerSpec("stdio", confidential=(SecretStr(secret),))
    telling = SdkLink(cast(Any, Telling(f"env: {written}.")), spec, Deaf(), Intake())
    content = (await answer_of(telling, "env")).content
    assert "[redacted]" in content
    assert written not in content


@pytest.mark.parametrize("secret", SECRETS)
async def test_a_secret_is_not_repeated_in_structured_content(secret: str) -> None:
    class Structured(Telling):
        async def send_request(self, *_: object) -> types.CallToolResult:
            return types.CallToolResult(content=[], structured_content={"key": secret})

    spec = ServerSpec("stdio", confidential=(SecretStr(secret),))
    content = (await answer_of(SdkLink(cast(Any, Structured("")), spec, Deaf(), Intake()), "env")).content
    assert json.loads(content)["key"].strip() == "[redacted]"


@pytest.mark.parametrize("secret", SECRETS)
async def test_an_error_does_not_repeat_a_secret(secret: str) -> None:
    class Complaining(Refusing):
        async def send_request(self, *_: object) -> Any:
            raise MCPError(-32042, f"no: {json.dumps(secret)}")

    spec = ServerSpec("stdio", env={"KEY": SecretStr(secret)})
    content = (await answer_of(SdkLink(cast(Any, Complaining(0)), spec, Deaf(), Intake()), "env")).content
    assert content.startswith('error -32042: no: "[redacted]')
    assert json.dumps(secret)[1:12] not in content
