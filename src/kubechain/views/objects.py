"""Explains every kind but runs: whether an object can be used, why not, and what a person does about it."""

from __future__ import annotations

from typing import Any

from kubechain.api import conditions
from kubechain.api.agent import Agent
from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequest
from kubechain.api.llm import LLM
from kubechain.api.meta import ReadinessStatus, StatusObject, StatusType
from kubechain.api.task import Task
from kubechain.views import commands
from kubechain.views.explaining import Explanation
from kubechain.views.wording import brief, sentence

DETAIL_CHARACTERS = 500


def of_object(obj: StatusObject[Any, Any]) -> Explanation:
    """Whether an object can be used, and what would change that.

    A Task is explained by its newest run, and a call by its run, where there is one; see `run_of`.
    """
    if isinstance(obj, HumanRequest):
        return _of_request(obj)
    name, status = f"{obj.kind} {obj.metadata.name}", obj.status
    describe = f"kubectl describe {obj.kind.lower()} {obj.metadata.name}"
    detail = brief(status.status_detail, DETAIL_CHARACTERS)
    if not isinstance(status, ReadinessStatus) or status.status is None:
        seen = detail or "no manager has seen it yet: is one running that watches this namespace?"
        return Explanation(f"{name}: {seen}", (describe,))
    if status.status is StatusType.READY:
        return Explanation(sentence(f"{name} can be used: {detail or 'it is ready'}") + _warnings(obj), (describe,))
    how = (
        "waits, and goes on by itself" if status.status is StatusType.PENDING else "cannot be used until it is changed"
    )
    return Explanation(sentence(f"{name} {how}: {detail}") + _warnings(obj), (*_repairs(obj, detail), describe))


def run_of(task: Task) -> str | None:
    """The run that tells how a Task is; None where it has none, or it is deleted."""
    last = task.status.last_run
    return last.name if last is not None and last.phase != "Deleted" else None


def _warnings(obj: StatusObject[Any, Any]) -> str:
    """What else its conditions say: those that are true and are not the summary."""
    found = [
        f" {sentence(f'{each.type}: {brief(each.message, DETAIL_CHARACTERS)}')}"
        for each in obj.status.conditions
        if each.status == "True" and each.type not in (conditions.READY, conditions.FINISHED, conditions.SUCCEEDED)
    ]
    return "".join(found)


def _repairs(obj: StatusObject[Any, Any], detail: str) -> tuple[str, ...]:
    """What a person types to make what is missing."""
    if isinstance(obj, LLM) and obj.spec.api_key_from is not None and "ecret" in detail:
        key = obj.spec.api_key_from.secret_key_ref
        return (f"kubectl create secret generic {key.name} --from-literal={key.key}=YOUR_KEY",)
    if isinstance(obj, Agent) and detail.startswith("LLM "):
        return (f"kubechain explain llm/{obj.spec.llm_ref.name}",)
    return ()


def _of_request(request: HumanRequest) -> Explanation:
    asked, decided, name = request.spec.request, request.spec.decision, request.metadata.name
    about = brief(asked.message or asked.url or f"{asked.tool or ''} {asked.arguments or ''}", DETAIL_CHARACTERS)
    run = f"taskrun/{asked.task_run_ref.name}"
    see = f"kubechain explain {run}"
    if decided is not None:
        by = f" by {brief(decided.by)}" if decided.by else ""
        said = "was rejected" if decided.choice is DecisionChoice.REJECT else f"was decided ({decided.choice})"
        return Explanation(f"HumanRequest {name} {said}{by}: {about}", (see,))
    if request.status.is_over:
        return Explanation(f"HumanRequest {name} is over ({request.status.phase}), undecided: {about}", (see,))
    text = f"HumanRequest {name} waits for a person, and {run} waits for it ({asked.type}): {about}"
    return Explanation(text, (*commands.deciding(asked.type, name), see))
