"""Writes a person's decision about a HumanRequest: what `kubechain approve`, `reject` and `answer` have in common."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest, HumanRequestType, RequestContent
from kubechain.api.obstacles import why_over
from kubechain.cli import clusters, wallclock
from kubechain.cli.clusters import Place
from kubechain.cli.terminal import Failure, show
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.net.foreign import harmless, one_line
from kubechain.views.commands import DECIDING

_DONE = {
    DecisionChoice.APPROVE: "approved",
    DecisionChoice.APPROVE_FOR_RUN: "approved for the rest of the run",
    DecisionChoice.REJECT: "rejected",
    DecisionChoice.ANSWER: "answered",
    DecisionChoice.DONE: "reported as done",
    DecisionChoice.HAPPENED: "reported as happened",
    DecisionChoice.DID_NOT_HAPPEN: "reported as not happened",
    DecisionChoice.UNKNOWN: "left unknown",
}

HOW: Mapping[HumanRequestType, str] = {type_: ", or ".join(commands) for type_, commands in DECIDING.items()}
"""What a person types, with the name of the request."""


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person decides, before it is bound to a request and signed.

    Attributes:
        arguments: JSON text to call the tool with instead.
        answer: What goes with the choice.
    """

    choice: DecisionChoice
    arguments: str | None = None
    answer: str | None = None


Drafter = Callable[[str, RequestContent], Draft]
"""What the command line means for a request, by its name; a `Failure` where it does not fit."""


def run(options: argparse.Namespace, drafter: Drafter) -> int:
    """Decide about the requests that the command line names, in their order; stop at the first refusal."""

    async def command(place: Place) -> int:
        user = await place.user()
        for name in options.names:
            request, choice = await decide(place, name, drafter, user=user, comment=options.comment)
            show(f"humanrequest/{name} {_DONE[choice]}: {about(request)}")
        return 0

    return clusters.run(options, command)


async def decide(
    place: Place, name: str, drafter: Drafter, *, user: str | None, comment: str | None
) -> tuple[HumanRequest, DecisionChoice]:
    """Write a decision about a request; return what it was made about.

    Args:
        user: Who decides, as the API server names them.

    Raises:
        ApiError: It cannot be read or written.
        Failure: Nobody waits for a decision, or this one does not fit.
    """
    namespace = place.namespace or ""
    request = await place.client.get(HUMAN_REQUESTS, namespace, name)
    draft = _drafted(request, drafter)
    decision = Decision(
        choice=draft.choice,
        digest=request.spec.request.digest,
        by=user,
        comment=comment,
        arguments=draft.arguments,
        answer=draft.answer,
    )
    await place.client.patch(HUMAN_REQUESTS, namespace, name, {"spec": {"decision": decision.to_wire()}})
    return request, draft.choice


def _drafted(request: HumanRequest, drafter: Drafter) -> Draft:
    name, asked = request.metadata.name, request.spec.request
    try:
        if over := why_over(request, wallclock.now()):
            raise Failure(over)
        draft = drafter(name, asked)
        if draft.choice not in asked.choices:
            raise Failure(
                f"{draft.choice} is not offered, only {', '.join(asked.choices)}: {HOW[asked.type].format(name)}"
            )
    except Failure as failure:
        raise Failure(f"{name}: {failure}", status=failure.status) from failure
    return draft


def about(request: HumanRequest) -> str:
    """What a request is about, on one line."""
    asked = request.spec.request
    return one_line(harmless(f"{asked.tool or asked.type} for taskrun/{asked.task_run_ref.name}"), 200)


def checked_arguments(text: str) -> str:
    """Return edited arguments as they were typed.

    Raises:
        Failure: They are not a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failure(f"--arguments: not valid JSON: {error}", status=2) from error
    if not isinstance(value, dict):
        raise Failure('--arguments: a JSON object is needed, such as \'{"repo": "old-website"}\'', status=2)
    return text
