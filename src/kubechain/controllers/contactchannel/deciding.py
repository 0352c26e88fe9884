"""Writes a decision that a channel carried, if the person may make it.

The manager writes it in its own name, so this module checks what the admission policies check for people: nobody
decides about a run that they started, and a person whom `identities` maps to a user needs that user's verb approve.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
from pydantic import ValidationError

from kubechain.api.approval import DecisionChoice
from kubechain.api.contactchannel import ContactChannel
from kubechain.api.humanrequest import Decision, HumanRequest, RequestContent
from kubechain.api.meta import GROUP
from kubechain.api.obstacles import why_over
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.humans.model import Answer
from kubechain.net.foreign import harmless, one_line
from kubechain.runtime.client import Client
from kubechain.runtime.clock import Clock
from kubechain.runtime.errors import REFUSALS, ApiError, Conflict, NotFound, TransportError

_REVIEWS = "/apis/authorization.k8s.io/v1/namespaces/{}/localsubjectaccessreviews"
"""Of one namespace, so that a manager with a Role may ask too."""

COMMENT_MAX_CHARACTERS = 4_096
ANSWER_MAX_CHARACTERS = 64 * 1024
PERSON_MAX_CHARACTERS = 512


class Verdict(Enum):
    """What became of an answer."""

    RECORDED = "recorded"
    NOT_FOUND = "not found"
    NOT_ALLOWED = "not allowed"
    TOO_LATE = "too late"
    INVALID = "invalid"
    TRY_AGAIN = "try again"


@dataclass(frozen=True, slots=True)
class Ruling:
    """What became of an answer, with the text for the person who gave it."""

    verdict: Verdict
    text: str


_NOT_FOUND = Ruling(Verdict.NOT_FOUND, "there is no such request at this channel")

_UNREADABLE = Ruling(Verdict.TRY_AGAIN, "the decision cannot be recorded now; try again")


@dataclass(frozen=True, slots=True)
class DecisionWriter:
    """Writes decisions through channels."""

    client: Client
    clock: Clock

    async def read(self, channel: ContactChannel, name: str) -> HumanRequest | None:
        """A request that this channel carried, as the server has it; None where there is none."""
        try:
            request = await self.client.get(HUMAN_REQUESTS, channel.metadata.namespace, name)
        except NotFound:
            return None
        is_carried = any(one.channel == channel.metadata.name for one in request.status.deliveries)
        return request if is_carried else None

    async def asked(self, channel: ContactChannel, name: str) -> RequestContent | Ruling:
        """What a request that this channel carried asks; why nobody can answer it, where that is so."""
        try:
            request = await self.read(channel, name)
        except (ApiError, TransportError):
            return _UNREADABLE
        if request is None:
            return _NOT_FOUND
        obstacle = why_over(request, self.clock.now())
        return Ruling(Verdict.TOO_LATE, obstacle) if obstacle else request.spec.request

    async def is_recorded(self, channel: ContactChannel, name: str, answer: Answer) -> bool:
        """Whether this very answer of this person is the decision."""
        try:
            request = await self.read(channel, name)
        except (ApiError, TransportError):
            return False
        decided = request.spec.decision if request is not None else None
        return decided is not None and decided == decision_of(channel, answer)

    async def decide(self, channel: ContactChannel, name: str, answer: Answer) -> Ruling:
        """Record the answer as the decision, if it counts."""
        try:
            request = await self.read(channel, name)
            if request is None:
                return _NOT_FOUND
            return await self._judge(channel, request, answer)
        except REFUSALS as error:
            return Ruling(Verdict.NOT_ALLOWED, f"the API server refuses the decision: {one_line(str(error))}")
        except Conflict:
            return Ruling(Verdict.TRY_AGAIN, "the request has just changed; look again")
        except (ApiError, TransportError):
            return _UNREADABLE

    async def _judge(self, channel: ContactChannel, request: HumanRequest, answer: Answer) -> Ruling:
        if obstacle := why_over(request, self.clock.now()):
            return Ruling(Verdict.TOO_LATE, obstacle)
        if answer.choice not in request.spec.request.choices:
            return Ruling(Verdict.INVALID, "this choice is not offered")
        if answer.digest != request.spec.request.digest:
            return Ruling(Verdict.INVALID, "the digest is not that of the request: something else was asked")
        if refusal := await self._refusal(channel, request, answer.responder):
            return Ruling(Verdict.NOT_ALLOWED, refusal)
        try:
            decision = decision_of(channel, answer)
        except (ValidationError, ValueError) as error:
            return Ruling(Verdict.INVALID, one_line(str(error)))
        metadata = request.metadata
        await self.client.patch(
            HUMAN_REQUESTS,
            metadata.namespace,
            metadata.name,
            {"spec": {"decision": decision.to_wire()}},
            resource_version=metadata.resource_version,
        )
        return Ruling(Verdict.RECORDED, f"recorded: {decision.choice} by {decision.by}")

    async def _refusal(self, channel: ContactChannel, request: HumanRequest, responder: str) -> str:
        """Why this person may not decide; empty where they may."""
        if refusal := not_listed(channel, responder):
            return refusal
        user = channel.spec.identities.get(responder)
        if user is None:
            return ""
        if user == request.spec.request.requested_by:
            return f"somebody else must decide: {user} created the TaskRun"
        subject = request.spec.request.subject
        if await self._may_approve(user, request):
            return ""
        return f"{user} may not decide about {subject.resource}/{subject.name}: that needs the verb approve on it"

    async def _may_approve(self, user: str, request: HumanRequest) -> bool:
        subject, namespace = request.spec.request.subject, request.metadata.namespace
        attributes = {
            "group": GROUP,
            "resource": subject.resource,
            "name": subject.name,
            "namespace": namespace,
            "verb": "approve",
        }
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": {"namespace": namespace},
            "spec": {"user": user, "resourceAttributes": attributes},
        }
        reply: dict[str, Any] = json.loads(
            await self.client.request("POST", _REVIEWS.format(namespace), body=orjson.dumps(review))
        )
        return reply.get("status", {}).get("allowed") is True


def not_listed(channel: ContactChannel, responder: str) -> str:
    """Why the answers of this person do not count at the channel; empty where they do."""
    spec = channel.spec
    allowed = spec.slack.allowed_responder_ids if spec.slack is not None and spec.type == "slack" else ()
    is_known = responder in spec.identities
    if allowed and responder not in allowed:
        return "you are not among those whose answers count here (allowedResponderIDs)"
    if spec.identities and not is_known and not allowed:
        return "you are not among those whose answers count here (identities)"
    return ""


def decision_of(channel: ContactChannel, answer: Answer) -> Decision:
    """The decision as the manager writes it.

    Raises:
        ValueError: The answer has the wrong form.
    """
    responder = one_line(harmless(answer.responder))
    by = f"{channel.spec.type}:{responder}" if responder else channel.spec.type
    return Decision(
        choice=DecisionChoice(answer.choice),
        digest=answer.digest,
        by=by[:PERSON_MAX_CHARACTERS],
        through=f"contactchannels/{channel.metadata.name}",
        comment=_bounded("comment", answer.comment, COMMENT_MAX_CHARACTERS),
        answer=_bounded("answer", answer.answer, ANSWER_MAX_CHARACTERS),
        arguments=_bounded("arguments", answer.arguments, ANSWER_MAX_CHARACTERS),
    )


def _bounded(name: str, text: str | None, limit: int) -> str | None:
    """The text, or nothing for an empty one."""
    if text is not None and len(text) > limit:
        raise ValueError(f"{name}: too long: {limit} characters at most")
    return text or None
