"""An API server that refuses chosen writes, as quotas, policies, webhooks and roles do, until it is told to stop."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubechain.runtime.transport import Reply, WholeReply
from test.controllers.wires import Wire
from test.controllers.world import Replica


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server says."""

    code: int
    reason: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def reply(self) -> Reply:
        status: dict[str, Any] = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": self.code}
        status |= {"reason": self.reason, "message": self.message, "details": self.details}
        return WholeReply(self.code, {}, json.dumps(status).encode())


_POLICY = "ValidatingAdmissionPolicy 'frozen' with binding 'frozen' denied request: not before Monday"
ANSWERS = {
    "a quota (403)": Answer(403, "Forbidden", '"x" is forbidden: exceeded quota: small, used: 0, limited: 0'),
    "a policy (403)": Answer(403, "Forbidden", f'"x" is forbidden: {_POLICY}'),
    "a policy (422)": Answer(422, "Invalid", f'"x" is forbidden: {_POLICY}', {"causes": [{"message": _POLICY}]}),
    "a policy (400)": Answer(400, "BadRequest", f"{_POLICY}"),
    "no right (403)": Answer(403, "Forbidden", 'User "kubechain" cannot create resource "x": RBAC: no role'),
    "a webhook (403)": Answer(403, "Forbidden", 'admission webhook "gate.example" denied the request: closed'),
    "a webhook that is down (500)": Answer(500, "InternalError", 'failed calling webhook "gate.example": refused'),
    "no credentials (401)": Answer(401, "Unauthorized", "Unauthorized"),
}
"""By who refuses."""

MALFORMED = Answer(
    422, "Invalid", '"x" is invalid: spec: Invalid value', {"causes": [{"field": "spec", "message": "wrong"}]}
)
"""A schema's refusal: it names the field, and no repetition helps."""


def creates(plural: str) -> Callable[[str, str, Any], bool]:
    """Requests that create objects of a kind."""
    return lambda method, target, body: method == "POST" and target.partition("?")[0].endswith(f"/{plural}")


def statuses(plural: str, phase: str | None = None) -> Callable[[str, str, Any], bool]:
    """Requests that write the status of a kind: all, or those into a phase."""

    def matches(method: str, target: str, body: Any) -> bool:
        is_one = method == "PUT" and f"/{plural}/" in target and target.endswith("/status")
        return is_one and (phase is None or body["status"].get("phase") == phase)

    return matches


@dataclass(slots=True)
class Refusing(Wire):
    """Refuses what matches, with the same answer each time.

    Attributes:
        refused: How many requests so far.
    """

    matches: Callable[[str, str, Any], bool]
    answer: Answer
    is_on: bool = True
    refused: int = 0

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None, timeout_seconds: float
    ) -> Reply:
        sent = json.loads(body) if body else None
        if self.is_on and method != "GET" and self.matches(method, target, sent):
            self.refused += 1
            return self.answer.reply()
        return await self.inner.send(method, target, headers=headers, body=body, timeout_seconds=timeout_seconds)


def refuse(replica: Replica, matches: Callable[[str, str, Any], bool], answer: Answer) -> Refusing:
    """Put it before the API server of a manager that has not sent anything yet."""
    wire = Refusing(replica.exchange.inner, matches, answer)
    replica.exchange.inner = wire
    return wire
