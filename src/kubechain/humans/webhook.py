"""The channel `webhook`: signed posts out, signed posts back, both in the form of Standard Webhooks.

The endpoint gets `request.opened` with the request, and `request.closed` when nobody needs to decide any more. It
answers with `request.decided`, signed with the same key. A message that is sent again has the same `webhook-id`: the
standard asks receivers to drop a message whose id they have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any, cast

import orjson
from pydantic import SecretStr

from kubechain.api.contactchannel import ContactChannelSpec
from kubechain.api.meta import time_text
from kubechain.api.references import SecretKeyRef
from kubechain.humans import signatures
from kubechain.humans.http import ChannelHttp, Reply
from kubechain.humans.model import (
    Answer,
    Found,
    InvalidChannel,
    Message,
    NotAskable,
    NotSent,
    Receipt,
    Refused,
)

OPENED = "request.opened"
CLOSED = "request.closed"
DECIDED = "request.decided"

_MAY_PASS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})


class BadCallback(Exception):
    """Raised when what came is no answer; the message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class WebhookKind:
    """The type `webhook`."""

    http: ChannelHttp
    now: Callable[[], datetime]
    type: str = "webhook"

    def secrets_of(self, spec: ContactChannelSpec) -> Mapping[str, SecretKeyRef]:
        """The key that both sides sign with."""
        if spec.api_key_from is None:
            raise InvalidChannel("apiKeyFrom: not set: a webhook is signed, and so is its answer")
        return {"key": spec.api_key_from.secret_key_ref}

    def open(self, spec: ContactChannelSpec, secrets: Mapping[str, SecretStr]) -> WebhookChannel:
        """The channel; it needs a key of good length."""
        if spec.webhook is None:
            raise InvalidChannel("webhook: not set")
        return WebhookChannel(spec.webhook.url, signatures.webhook_key(secrets["key"]), self.http, self.now)


@dataclass(frozen=True, slots=True)
class WebhookChannel:
    """One endpoint."""

    url: str = field(repr=False)
    key: bytes = field(repr=False)
    http: ChannelHttp
    now: Callable[[], datetime]

    async def check(self) -> str:
        """Nothing is asked: an endpoint has no request that is free."""
        return "Webhooks are signed and sent; the endpoint is not asked before"

    async def deliver(self, message: Message) -> Receipt:
        """Post the request."""
        await self._post(message.key, OPENED, _shown(message))
        return Receipt(message.key)

    async def find(self, message: Message) -> Found:
        """A webhook cannot be asked; the receiver knows a repeated message by its id."""
        return NotAskable(Receipt(message.key))

    async def close(self, message: Message, receipt: Receipt, ending: str) -> None:
        """Post that nobody needs to decide any more."""
        data = {"namespace": message.namespace, "request": message.name, "ending": ending}
        await self._post(f"{receipt.external_id}.closed", CLOSED, data)

    async def _post(self, message_id: str, type_: str, data: Mapping[str, Any]) -> None:
        now = self.now()
        body = orjson.dumps({"type": type_, "timestamp": time_text(now), "data": data})
        headers = signatures.webhook_headers(self.key, message_id, body, now)
        _raise_for(await self.http.post(self.url, body, {"content-type": "application/json", **headers}), now)


def _raise_for(reply: Reply, now: datetime) -> None:
    """Raise for a status that says that the message was not taken."""
    if reply.is_success:
        return
    text, wait = f"the endpoint answered HTTP {reply.status}", reply.retry_after_seconds(now)
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status in _MAY_PASS:
        raise NotSent(text, retry_after_seconds=wait)
    raise Refused(text, retry_after_seconds=wait)


def _shown(message: Message) -> dict[str, Any]:
    asked = message.asked.to_wire()
    return {
        "namespace": message.namespace,
        "request": message.name,
        "reminder": message.is_reminder,
        **asked,
        "links": dict(message.links),
    }


def answer_of(key: bytes, headers: Mapping[str, str], body: bytes, now: datetime) -> tuple[str, Answer]:
    """The name of the HumanRequest and the answer in a callback.

    Raises:
        BadSignature: It was not signed with this key, or is too old.
        BadCallback: It is no answer.
    """
    signatures.check_webhook(key, headers, body, now)
    try:
        event: Any = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise BadCallback("the body is not JSON") from None
    data = _data(event)
    answer = Answer(
        responder=_text(data, "by") or "",
        choice=_text(data, "choice") or "",
        digest=_text(data, "digest") or "",
        comment=_text(data, "comment"),
        answer=_text(data, "answer"),
        arguments=_text(data, "arguments"),
    )
    return _text(data, "request") or "", answer


def _data(event: Any) -> dict[str, Any]:
    if not isinstance(event, dict):
        raise BadCallback("the body is not a JSON object")
    fields = cast("dict[str, Any]", event)
    if fields.get("type") != DECIDED or not isinstance(fields.get("data"), dict):
        raise BadCallback(f"type must be {DECIDED}, and data an object")
    return fields["data"]


def _text(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise BadCallback(f"data.{name} must be a text")
    return value
