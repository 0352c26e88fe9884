"""Writes a person's decision about a HumanRequest: what `kubechain approve` and `kubechain reject` have in common."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import Decision, HumanRequest
from kubechain.cli import clusters
from kubechain.cli.clusters import Place
from kubechain.cli.terminal import Failure, show
from kubechain.controllers.resources import HUMAN_REQUESTS
from kubechain.net.foreign import harmless, one_line

_DONE = {
    DecisionChoice.APPROVE: "approved",
    DecisionChoice.APPROVE_FOR_RUN: "approved for the rest of the run",
    DecisionChoice.REJECT: "rejected",
}


def run(options: argparse.Namespace, choice: DecisionChoice, arguments: str | None = None) -> int:
    """Decide about the requests that the command line names, in their order; stop at the first refusal."""
    edited = None if arguments is None else checked_arguments(arguments)

    async def command(place: Place) -> int:
        user = await place.user()
        for name in options.names:
            await _decide(place, name, choice, user=user, comment=options.comment, arguments=edited)
        return 0

    return clusters.run(options, command)


async def _decide(
    place: Place, name: str, choice: DecisionChoice, *, user: str | None, comment: str | None, arguments: str | None
) -> None:
    namespace = place.namespace or ""
    request = await place.client.get(HUMAN_REQUESTS, namespace, name)
    if obstacle := obstacle_of(request, choice, datetime.now(UTC)):
        raise Failure(f"{name}: {obstacle}")
    decision = Decision(
        choice=choice, digest=request.spec.request.digest, by=user, comment=comment, arguments=arguments
    )
    await place.client.patch(HUMAN_REQUESTS, namespace, name, {"spec": {"decision": decision.to_wire()}})
    show(f"humanrequest/{name} {_DONE[choice]}: {about(request)}")


def about(request: HumanRequest) -> str:
    """What a request is about, on one line."""
    asked = request.spec.request
    what = asked.tool or asked.message or asked.type
    return one_line(harmless(f"{what} for taskrun/{asked.task_run_ref.name}"), 200)


def obstacle_of(request: HumanRequest, choice: DecisionChoice, now: datetime) -> str:
    """Why this request cannot be decided so; empty where it can, as far as is known here."""
    asked, decided, phase = request.spec.request, request.spec.decision, request.status.phase
    if decided is not None:
        return f"already decided: {decided.choice} by {decided.by or 'somebody without a name'}"
    if phase is not None and phase.is_terminal:
        return f"the request is over ({phase}): nobody waits for a decision"
    if asked.expires_at is not None and asked.expires_at <= now:
        return f"the request expired at {asked.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    if choice not in asked.choices:
        return f"{choice} is not offered, only {', '.join(asked.choices)}"
    return ""


def checked_arguments(text: str) -> str:
    """Return edited arguments as they were typed.

    Raises:
        Failure: They are not a JSON object.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Failure(f"--arguments: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise Failure('--arguments: a JSON object is needed, such as \'{"repo": "old-website"}\'')
    return text
