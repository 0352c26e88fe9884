"""The openai-chat dialect: OpenAI, Azure's hosting of it, Mistral, and every server that is compatible with them.

Pure functions from and to `exchange` values. What differs between the four is data (`Flavour`); how an error reply is
sorted is in `failures`; nothing here sends, waits or retries.

Two decisions about answers that are neither plain text nor tool calls:
- A refusal (`message.refusal`) is the model's answer: it becomes the assistant's text, with finish reason `refusal`.
- `content_filter` is a `RequestRefused`: the provider cut the answer, and a cut answer must not pass for a whole one.
An answer cut by the token limit (`length`) is an answer, except that a tool call cut in its arguments is not.

Answers are not streamed: a stream of 200 chunks costs more than 5 times the CPU of a whole reply (6.6 ms against 1.2),
and half a stream is worth nothing, because nothing happens before the whole turn is recorded.
"""

from __future__ import annotations

import hashlib
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast
from urllib.parse import quote

import orjson

from kubechain.api.message import Message, ToolCall, ToolCallFunction
from kubechain.api.taskrun import Usage
from kubechain.llm.client import APIType, Completion, Target, ToolDefinition
from kubechain.llm.endpoint import Endpoint, endpoint
from kubechain.llm.errors import InvalidAnswer, InvalidTarget, ModelNotFound, RequestRefused
from kubechain.llm.exchange import CompletionRequest, HttpCall, HttpReply
from kubechain.llm.failures import failure, secret_of

DEFAULT_AZURE_API_VERSION = "2024-10-21"
"""Azure's newest version of the data plane that is generally available under this path."""

_AZURE_COMPLETION_TOKENS_SINCE = "2024-12-01"
"""From this Azure API version on `max_completion_tokens` is known, which reasoning models insist on."""

_NO_LISTING = frozenset({404, 405, 501})
"""Answers of a server that has no list of models: it is there, and that is all that can be learned for free."""

_MISTRAL_ID = re.compile(r"[a-zA-Z0-9]{9}")
_ALPHANUMERIC = string.ascii_letters + string.digits


@dataclass(frozen=True, slots=True)
class Flavour:
    """What a family of servers does in its own way.

    Attributes:
        base_url: Where it is when the LLM does not say; None when the LLM must.
        cap_field: How the limit of the answer's tokens is called.
        knows_top_k: Whether `top_k` may be sent. OpenAI's own API refuses it.
        needs_key: Whether a request without a key is pointless.
        short_call_ids: Whether tool-call ids must be nine letters or digits (Mistral).
    """

    base_url: str | None
    cap_field: str
    knows_top_k: bool = False
    needs_key: bool = True
    short_call_ids: bool = False


OPENAI = Flavour(base_url="https://api.openai.com/v1", cap_field="max_completion_tokens")
COMPATIBLE = Flavour(base_url=None, cap_field="max_tokens", knows_top_k=True, needs_key=False)
MISTRAL = Flavour(base_url="https://api.mistral.ai/v1", cap_field="max_tokens", short_call_ids=True)
AZURE = Flavour(base_url=None, cap_field="max_tokens")
AZURE_WITH_COMPLETION_TOKENS = Flavour(base_url=None, cap_field="max_completion_tokens")

_OPENAI_HOST = "api.openai.com"


def flavour_of(target: Target) -> Flavour:
    """Which family of servers a target belongs to."""
    if target.provider == "mistral":
        return MISTRAL
    if target.openai.api_type is not APIType.OPEN_AI:
        return AZURE_WITH_COMPLETION_TOKENS if _azure_version(target) >= _AZURE_COMPLETION_TOKENS_SINCE else AZURE
    if target.base_url is None or endpoint(target.base_url).host == _OPENAI_HOST:
        return OPENAI
    return COMPATIBLE


class OpenAIChat:
    """The dialect; stateless, one instance serves everybody."""

    def build(self, request: CompletionRequest) -> HttpCall:
        """Put a model call into `POST …/chat/completions`."""
        target = request.target
        headers = _headers(target) | {"content-type": "application/json"}
        try:
            body = orjson.dumps(completion_body(request))
        except orjson.JSONEncodeError as error:
            raise RequestRefused(f"conversation or tools cannot be sent as JSON: {error}") from error
        return HttpCall(method="POST", url=_url(target, "chat/completions"), headers=headers, body=body)

    def parse(self, request: CompletionRequest, reply: HttpReply) -> Completion:
        """Read a `chat.completion` object."""
        if reply.status != 200:
            raise failure(request.target, reply)
        body = _object(reply)
        if body.get("error") and not body.get("choices"):  # gateways whose upstream failed after they said 200
            raise failure(request.target, replace(reply, status=_status_inside(body)))
        return read_completion(request.target, body)

    def check(self, target: Target) -> HttpCall:
        """Ask for the model's description. On Azure for the list: it does not describe deployments to this key."""
        if _is_azure(target):
            return self._listing(target)
        path = f"models/{quote(target.model, safe='')}"
        return HttpCall(method="GET", url=_url(target, path), headers=_headers(target))

    def judge(self, target: Target, reply: HttpReply) -> HttpCall | None:
        """A 404 can mean that the server describes no single models (llama.cpp does not): then look at its list."""
        if reply.status == 200 or _is_azure(target):
            self._require_success(target, reply)
            return None
        if reply.status in _NO_LISTING:
            return self._listing(target)
        raise failure(target, reply)

    def judge_listing(self, target: Target, reply: HttpReply) -> None:
        """Look for the model in the list; a server without a list is taken as it is."""
        if reply.status in _NO_LISTING and flavour_of(target) is COMPATIBLE:
            return
        self._require_success(target, reply)
        if target.model not in _listed_models(reply):
            raise ModelNotFound(f'model not found: "{target.model}": the server does not list it', http_status=404)

    def _listing(self, target: Target) -> HttpCall:
        return HttpCall(method="GET", url=_url(target, "models"), headers=_headers(target))

    def _require_success(self, target: Target, reply: HttpReply) -> None:
        if reply.status != 200:
            raise failure(target, reply)


# --- addresses and headers


def _is_azure(target: Target) -> bool:
    return target.provider == "openai" and target.openai.api_type is not APIType.OPEN_AI


def _azure_version(target: Target) -> str:
    return target.openai.api_version or DEFAULT_AZURE_API_VERSION


def _endpoint(target: Target) -> Endpoint:
    base_url = target.base_url or flavour_of(target).base_url
    if base_url is None:
        raise InvalidTarget("baseUrl: required: Azure has an address for each resource")
    return endpoint(base_url)


def _url(target: Target, path: str) -> str:
    base = _endpoint(target).url
    if not _is_azure(target):
        return f"{base}/{path}"
    middle = "openai" if path == "models" else f"openai/deployments/{quote(target.model, safe='')}"
    return f"{base}/{middle}/{path}?api-version={quote(_azure_version(target), safe='')}"


def _headers(target: Target) -> dict[str, str]:
    headers = {"accept": "application/json"}
    if key := _usable_key(target):
        if target.openai.api_type is APIType.AZURE and _is_azure(target):
            headers["api-key"] = key
        else:
            headers["authorization"] = f"Bearer {key}"
    if target.openai.organization and not _is_azure(target):
        headers["openai-organization"] = _header_value("openai.organization", target.openai.organization)
    return headers


def _usable_key(target: Target) -> str | None:
    """The key without the line end that a file or `echo` leaves behind it."""
    key = secret_of(target)
    if key:
        return _header_value("API key", key)
    if flavour_of(target).needs_key:
        raise InvalidTarget("API key: required by this provider")
    return None


def _header_value(what: str, value: str) -> str:
    if not all("!" <= c <= "~" for c in value):
        raise InvalidTarget(f"{what}: holds characters that cannot be sent")
    return value


# --- our conversation in their words


def completion_body(request: CompletionRequest) -> dict[str, Any]:
    """The JSON of a request; fields that are not set are not sent."""
    target = request.target
    flavour = flavour_of(target)
    body: dict[str, Any] = {
        "model": target.model,
        "messages": [_message_out(message, flavour) for message in request.messages],
        **_parameters(target, flavour),
    }
    if request.tools:
        body["tools"] = [_tool_out(tool) for tool in request.tools]
    return body


def _parameters(target: Target, flavour: Flavour) -> dict[str, Any]:
    parameters = target.parameters
    fields: dict[str, Any] = {
        "temperature": parameters.temperature,
        flavour.cap_field: parameters.max_tokens,
        "top_p": parameters.top_p,
        "top_k": parameters.top_k if flavour.knows_top_k else None,
        "frequency_penalty": parameters.frequency_penalty,
        "presence_penalty": parameters.presence_penalty,
        "random_seed": target.mistral.random_seed if flavour is MISTRAL else None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _tool_out(tool: ToolDefinition) -> dict[str, Any]:
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}


def _message_out(message: Message, flavour: Flavour) -> dict[str, Any]:
    out: dict[str, Any] = {"role": str(message.role), "content": message.content or ""}
    if message.tool_calls:
        out["content"] = message.content or None
        out["tool_calls"] = [_call_out(call, flavour) for call in message.tool_calls]
    if message.tool_call_id:
        out["tool_call_id"] = _call_id(message.tool_call_id, flavour)
    elif message.name:
        out["name"] = message.name
    return out


def _call_out(call: ToolCall, flavour: Flavour) -> dict[str, Any]:
    function = {"name": call.function.name, "arguments": call.function.arguments or "{}"}
    return {"id": _call_id(call.id, flavour), "type": "function", "function": function}


def _call_id(call_id: str, flavour: Flavour) -> str:
    """The id as it is, or for Mistral a stand-in that is the same wherever the id appears."""
    if not flavour.short_call_ids or _MISTRAL_ID.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode()).digest()[:8])
    digits: list[str] = []
    for _ in range(9):
        number, digit = divmod(number, len(_ALPHANUMERIC))
        digits.append(_ALPHANUMERIC[digit])
    return "".join(digits)


# --- their answer in our words


def read_completion(target: Target, body: Mapping[str, Any]) -> Completion:
    """Turn a `chat.completion` object into a `Completion`.

    Raises:
        InvalidAnswer: It holds neither text nor a whole tool call.
        RequestRefused: The provider's content filter stopped the answer.
    """
    choice = _mapping(_first(body.get("choices")))
    message = _mapping(choice.get("message"))
    finish_reason = str(choice.get("finish_reason") or "stop")
    if finish_reason == "content_filter":
        raise RequestRefused("answer stopped by the provider's content filter")
    content, refusal = _text(message.get("content")), _text(message.get("refusal"))
    calls = tuple(_call_in(item, finish_reason) for item in _items(message.get("tool_calls")))
    if not content and not calls:
        if not refusal:
            raise InvalidAnswer(_why_empty(choice, finish_reason))
        content, finish_reason = refusal, "refusal"
    return Completion(
        message=_assistant(content, calls),
        usage=_usage(_mapping(body.get("usage"))),
        finish_reason=finish_reason,
        model=str(body.get("model") or target.model),
    )


def _assistant(content: str, calls: tuple[ToolCall, ...]) -> Message:
    if not calls:  # a field that was set is written: no empty list in the status of every run
        return Message(role="assistant", content=content)
    return Message(role="assistant", content=content, tool_calls=calls)


def _why_empty(choice: Mapping[str, Any], finish_reason: str) -> str:
    if not choice:
        return "invalid answer: no choices"
    if finish_reason == "length":
        return "invalid answer: the token limit was reached before any text: raise maxTokens"
    return "invalid answer: neither text nor tool calls"


def _call_in(item: object, finish_reason: str) -> ToolCall:
    call = _mapping(item)
    function = _mapping(call.get("function"))
    name, arguments = function.get("name"), _arguments(function.get("arguments"))
    if not isinstance(name, str) or not name:
        raise InvalidAnswer("invalid answer: a tool call without a name")
    if finish_reason == "length" and not _is_json(arguments):
        raise InvalidAnswer("invalid answer: a tool call was cut at the token limit: raise maxTokens")
    return ToolCall(
        id=str(call.get("id") or ""), type="function", function=ToolCallFunction(name=name, arguments=arguments)
    )


def _arguments(value: object) -> str:
    """Arguments byte for byte as they came. Empty for a tool without parameters; some servers send an object."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def _usage(usage: Mapping[str, Any]) -> Usage:
    sent, received = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    total = _count(usage.get("total_tokens")) or sent + received
    return Usage(input_tokens=sent, output_tokens=received, total_tokens=total, model_calls=1)


def _listed_models(reply: HttpReply) -> set[str]:
    names: set[str] = set()
    for item in _items(_object(reply).get("data")):
        model = _mapping(item)
        names.update(str(name) for name in (model.get("id"), *_items(model.get("aliases"))) if name)
    return names


def _object(reply: HttpReply) -> Mapping[str, Any]:
    try:
        body: object = orjson.loads(reply.body)
    except orjson.JSONDecodeError as error:
        raise InvalidAnswer("invalid answer: not JSON") from error
    if not isinstance(body, dict):
        raise InvalidAnswer("invalid answer: not a JSON object")
    return cast("Mapping[str, Any]", body)


def _is_json(text: str) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _status_inside(body: Mapping[str, Any]) -> int:
    code = _mapping(body.get("error")).get("code")
    return code if isinstance(code, int) and 400 <= code < 600 else 502


def _text(value: object) -> str:
    """A message's text, which some servers send in parts."""
    if isinstance(value, str):
        return value
    return "".join(_text(_mapping(part).get("text")) for part in _items(value))


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _first(value: object) -> object:
    return next(iter(_items(value)), None)


def _items(value: object) -> Sequence[object]:
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}
