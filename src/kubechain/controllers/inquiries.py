"""What a person is asked, as a value; the HumanRequest that asks it, and how it is decided with kubectl. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubechain.api import names
from kubechain.api.approval import AskedOfPerson, DecisionChoice
from kubechain.api.creators import created_by
from kubechain.api.humanrequest import (
    SHOWN_ARGUMENTS_LIMIT,
    HumanRequest,
    HumanRequestSpec,
    HumanRequestType,
    RequestContent,
    RequestSubject,
    request_digest,
)
from kubechain.api.meta import KubeObject, ObjectMeta, is_owned_by, owner_reference
from kubechain.api.references import LocalObjectReference
from kubechain.api.schema import JsonObject
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.carriers import is_carried, terms_of
from kubechain.net.foreign import cut_middle

_SAMPLES: Mapping[HumanRequestType, tuple[str, Mapping[str, str]]] = {
    HumanRequestType.APPROVAL: ("To approve", {"choice": DecisionChoice.APPROVE}),
    HumanRequestType.QUESTION: ("To answer", {"choice": DecisionChoice.ANSWER, "answer": "TEXT"}),
    HumanRequestType.FORM: ("To answer", {"choice": DecisionChoice.ANSWER, "answer": "JSON"}),
    HumanRequestType.URL: ("To go on", {"choice": DecisionChoice.DONE}),
    HumanRequestType.BUDGET: ("To approve", {"choice": DecisionChoice.APPROVE}),
    HumanRequestType.OUTCOME: ("If it happened", {"choice": DecisionChoice.HAPPENED, "answer": "RESULT"}),
}
"""A decision that shows the form of each type, and what it is for."""


@dataclass(frozen=True, slots=True)
class Inquiry:
    """What a person is asked.

    Attributes:
        message: What is asked, or what will happen, and what to type. Another release may word it otherwise.
        essence: The part of the message that a decision is bound to, where nothing else says it; empty for none.
        arguments: Of a call, byte for byte and whole; empty for none.
        schema: Of the answer to a form.
        url: The address that a person is asked to open.
    """

    type: HumanRequestType
    subject: RequestSubject
    message: str = field(repr=False)
    choices: tuple[DecisionChoice, ...]
    essence: str = field(default="", repr=False)
    tool: str = ""
    arguments: str = field(default="", repr=False)
    schema: JsonObject | None = field(default=None, repr=False)
    url: str | None = field(default=None, repr=False)

    @property
    def digest(self) -> str:
        """What binds a decision to this inquiry; the choices are no part of it."""
        schema = "" if self.schema is None else json.dumps(self.schema, separators=(",", ":"), sort_keys=True)
        return request_digest(
            self.type,
            self.subject,
            tool=self.tool,
            arguments=self.arguments,
            message=self.essence,
            detail=self.url or schema,
        )


def asks_for(request: HumanRequest, asker: KubeObject, asked: AskedOfPerson, inquiry: Inquiry) -> bool:
    """Whether a request is the one that an object made, whoever else may have made one of its name.

    The digest alone does not say that the request shows what it is about.
    """
    content = request.spec.request
    shown = (content.type, content.tool or "", content.arguments or "", content.schema_, content.url)
    wanted = (inquiry.type, inquiry.tool, _shown(inquiry.arguments), inquiry.schema, inquiry.url)
    shows_it = shown == wanted and inquiry.essence in (content.message or "")
    return is_owned_by(request, asker) and content.digest == asked.digest and shows_it


def request_for(
    asker: KubeObject,
    run: TaskRun,
    asked: AskedOfPerson,
    inquiry: Inquiry,
    *,
    annotations: Mapping[str, str] | None = None,
    policy_hash: str | None = None,
) -> HumanRequest:
    """The object that asks, as it is sent to the API server: under its deterministic name, owned by what asks.

    Args:
        asker: The tool call or the run that waits for the decision.
        run: The run itself, or that of the call.
        asked: As `asker` has recorded it.
        inquiry: What is asked.
        annotations: More for people to read.
        policy_hash: Of the ApprovalPolicies that apply.
    """
    return HumanRequest(
        metadata=ObjectMeta(
            name=asked.request_name,
            namespace=run.metadata.namespace,
            labels=_labels(asker, run),
            annotations=dict(annotations or {}),
            owner_references=(owner_reference(asker),),
            finalizers=_finalizers(run, inquiry),
        ),
        spec=HumanRequestSpec(
            request=RequestContent(
                type=inquiry.type,
                subject=inquiry.subject,
                task_run_ref=LocalObjectReference(name=run.metadata.name),
                tool=inquiry.tool or None,
                arguments=_shown(inquiry.arguments) or None,
                digest=asked.digest,
                message=inquiry.message,
                schema_=inquiry.schema,
                url=inquiry.url,
                choices=inquiry.choices,
                requested_by=created_by(run),
                policy_hash=policy_hash,
                expires_at=asked.expires_at,
            )
        ),
    )


def _finalizers(run: TaskRun, inquiry: Inquiry) -> tuple[str, ...]:
    """A request that a channel carries stays until its messages say how it ended."""
    is_sent = is_carried(inquiry.type, inquiry.subject, terms_of(run, inquiry.tool))
    return (names.HUMAN_REQUEST_FINALIZER,) if is_sent else ()


def _labels(asker: KubeObject, run: TaskRun) -> dict[str, str]:
    labels = {names.LABEL_TASK_RUN: names.label_value(run.metadata.name)}
    if asker.metadata.uid == run.metadata.uid:
        return labels
    return labels | {names.LABEL_TASK_RUN_TOOL_CALL: names.label_value(asker.metadata.name)}


def _shown(arguments: str) -> str:
    """The arguments byte for byte, or the start and the end of longer ones."""
    if len(arguments) <= SHOWN_ARGUMENTS_LIMIT:
        return arguments
    return cut_middle(arguments, SHOWN_ARGUMENTS_LIMIT - 256, note=left_out)


def left_out(left_out_bytes: int) -> str:
    """The note in arguments that are not shown whole."""
    return f"[{left_out_bytes} bytes left out; the TaskRunToolCall has them]"


def command(request: HumanRequest) -> str:
    """How to decide with kubectl alone, with what it is for in front; words in capitals are to be replaced."""
    asked = request.spec.request
    purpose, sample = _SAMPLES[asked.type]
    decision: dict[str, Any] = {"spec": {"decision": {**sample, "digest": asked.digest}}}
    place = f"{request.metadata.name} -n {request.metadata.namespace}"
    return f"{purpose}: kubectl patch hr {place} --type=merge -p '{json.dumps(decision)}'"
