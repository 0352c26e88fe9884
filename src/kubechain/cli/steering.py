"""Writes what steers a run: a cancellation, a message, another run from the same conversation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from kubechain.api import names
from kubechain.api.continuation import ContinueFrom
from kubechain.api.meta import ObjectMeta
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun, TaskRunSpec
from kubechain.cli.clusters import Place
from kubechain.cli.gathering import gather
from kubechain.cli.terminal import Failure, show
from kubechain.controllers.resources import AGENTS, LLMS, TASK_RUNS
from kubechain.runtime.errors import Conflict, Forbidden, NotFound
from kubechain.views import windows
from kubechain.views.gathered import Gathered
from kubechain.views.telling import whole_conversation

ATTEMPTS = 5
"""To add a message to a run that changes at the same time."""


async def cancel(place: Place, name: str) -> int:
    """Cancel a run, and the runs below it with it."""
    run = await _open_run(place, name, "cannot be cancelled")
    if not run.spec.cancel:
        await place.client.patch(TASK_RUNS, place.namespace or "", name, {"spec": {"cancel": True}})
    return 0


async def told(place: Place, name: str, text: str) -> int:
    """Add a message to a run that goes on.

    Raises:
        Failure: The run is over.
    """
    for attempt in range(ATTEMPTS):
        run = await _open_run(place, name, f'reads no messages: kubechain continue {name} "TEXT"')
        messages = [*(each.to_wire() for each in run.spec.messages), {"content": text}]
        version = run.metadata.resource_version
        try:
            patch = {"spec": {"messages": messages}}
            await place.client.patch(TASK_RUNS, place.namespace or "", name, patch, resource_version=version)
        except Conflict:
            if attempt == ATTEMPTS - 1:
                raise
            continue
        show(f"taskrun/{name} reads the message at its next turn")
        return 0
    raise AssertionError("the last attempt returns or raises")


async def _open_run(place: Place, name: str, otherwise: str) -> TaskRun:
    run = await place.client.get(TASK_RUNS, place.namespace or "", name)
    if run.status.is_over:
        raise Failure(f"taskrun/{name} is over ({run.status.phase}), and {otherwise}")
    return run


async def started(
    place: Place,
    question: str,
    agent: str | None,
    *,
    output_schema: dict[str, Any] | None = None,
    ttl_seconds: float | None = None,
) -> str:
    """Create a run of an agent; return its name.

    Args:
        agent: None for the only one of the namespace.
        output_schema: Of the object that the answer must be.
        ttl_seconds: After the end of the run, until it is deleted; None: it is kept.
    """
    chosen = await _agent(place, agent)
    spec: dict[str, Any] = {"agent_ref": LocalObjectReference(name=chosen), "user_message": question}
    if output_schema is not None:
        spec["output_schema"] = output_schema
    if ttl_seconds is not None:
        spec["ttl_seconds_after_finished"] = math.ceil(ttl_seconds)
    return await _create(place, chosen, spec)


async def _agent(place: Place, wanted: str | None) -> str:
    """The agent to ask.

    Raises:
        Failure: It does not exist, or none is named and there is not exactly one.
    """
    try:
        known = sorted(each.metadata.name for each in await place.client.list(AGENTS, place.namespace))
    except Forbidden:
        if wanted is None:
            raise
        return wanted
    where = f'in namespace "{place.namespace}"'
    if not known:
        raise Failure(f"there is no agent {where}: kubectl apply one first", status=2)
    if wanted is None and len(known) == 1:
        return known[0]
    if wanted not in known:
        complaint = f'there is no agent "{wanted}"' if wanted else "name the agent with --agent"
        raise Failure(f"{complaint}: {where} there are {', '.join(known)}", status=2)
    return wanted


@dataclass(frozen=True, slots=True)
class Changes:
    """What is other in a run that is like another one.

    Attributes:
        system: The prompt; None for the same.
        llm: Name of the LLM; None for the same.
    """

    system: str | None = None
    llm: str | None = None

    def spec(self) -> dict[str, Any]:
        """The fields of the spec that say it."""
        changed: dict[str, Any] = {} if self.system is None else {"system": self.system}
        return changed if self.llm is None else changed | {"llm_ref": LocalObjectReference(name=self.llm)}


_ABOUT_A_RUN = ("llm_ref", "system", "output_schema", "active_deadline_seconds", "ttl_seconds_after_finished")
_ABOUT_ITS_QUESTION = ("task_ref", "agent_ref", "user_message", "context_window", "continue_from")
"""Fields of a spec that a run from the beginning has as the first one has them."""


async def retried(place: Place, name: str, *, from_turn: int | None, changes: Changes) -> str:
    """Create a run like another one, from its beginning or from a turn; return its name.

    Args:
        from_turn: From 1; None: from the beginning.

    Raises:
        Failure: The run has no such turn, or there is no such LLM.
    """
    run = await place.client.get(TASK_RUNS, place.namespace or "", name)
    await _look_for_llm(place, changes.llm)
    if from_turn is None and run.status.continued_from is None:
        return await _create(place, name, _fields(run, *_ABOUT_ITS_QUESTION, *_ABOUT_A_RUN) | changes.spec())
    # The run that it continues may be gone: its own conversation begins with that one.
    turn = from_turn or 1
    _check_turn(await gather(place, name), turn)
    again = _fields(run, *_ABOUT_A_RUN) | _pinned_schema(run) | changes.spec()
    source = ContinueFrom(name=name, before_turn=turn)
    return await _create(place, name, {"agent_ref": _agent_of(run), "continue_from": source} | again)


def _fields(run: TaskRun, *names: str) -> dict[str, Any]:
    """What the spec of a run says in some fields."""
    values = {name: getattr(run.spec, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, ())}


def _pinned_schema(run: TaskRun) -> dict[str, Any]:
    """The schema of a run, which may be that of its Task."""
    pinned = run.status.pinned
    return {"output_schema": pinned.output_schema} if pinned and pinned.output_schema else {}


async def _look_for_llm(place: Place, name: str | None) -> None:
    """See that the LLM exists, as far as the user may.

    Raises:
        Failure: It does not.
    """
    if name is None:
        return
    try:
        known = sorted(each.metadata.name for each in await place.client.list(LLMS, place.namespace))
    except Forbidden:
        return
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise Failure(f'there is no LLM "{name}": in namespace "{place.namespace}" {there}', status=2)


def _check_turn(gathered: Gathered, turn: int) -> None:
    """See that the run has the turn, as far as its conversation can be read.

    Raises:
        Failure: It does not.
    """
    moved = gathered.run.status.chunks
    if moved is not None and len(gathered.chunks) < moved.count:
        return
    try:
        windows.before_turn(whole_conversation(gathered), turn, run=gathered.run)
    except ValueError as error:
        raise Failure(f"--from-turn {turn}: {error}", status=2) from error


async def continued(place: Place, name: str, more: str) -> str:
    """Create a run that goes on where another one ended; return its name.

    Raises:
        Failure: The run is not over.
    """
    run = await place.client.get(TASK_RUNS, place.namespace or "", name)
    if not run.status.is_over:
        raise Failure(f'taskrun/{name} goes on: kubechain message {name} "TEXT"')
    spec = {"agent_ref": _agent_of(run), "continue_from": ContinueFrom(name=name), "user_message": more}
    return await _create(place, name, spec | _fields(run, "llm_ref"))


def _agent_of(run: TaskRun) -> LocalObjectReference:
    if run.status.pinned is None:
        raise Failure(f"taskrun/{run.metadata.name} has not begun: there is no conversation yet")
    return LocalObjectReference(name=run.status.pinned.agent_name)


async def _create(place: Place, like: str, spec: dict[str, Any]) -> str:
    """Create a run under a name that the API server completes."""
    prefix = names.shortened(like, names.MAX_NAME_LENGTH - 16) + "-"
    metadata = ObjectMeta(generate_name=prefix, namespace=place.namespace or "")
    try:
        made = await place.client.create(TASK_RUNS, TaskRun(metadata=metadata, spec=TaskRunSpec(**spec)))
    except NotFound as error:
        raise Failure(f"{error}: are the kinds installed (kubechain crds | kubectl apply -f -)?") from error
    return made.metadata.name
