"""Writes what steers a run: a cancellation, a message, another run from the same conversation."""

from __future__ import annotations

from typing import Any

from kubechain.api import names
from kubechain.api.meta import ObjectMeta
from kubechain.api.references import LocalObjectReference
from kubechain.api.taskrun import TaskRun, TaskRunSpec
from kubechain.cli.clusters import Place
from kubechain.cli.gathering import gather
from kubechain.cli.terminal import Failure, show
from kubechain.controllers.resources import AGENTS, TASK_RUNS
from kubechain.controllers.taskrun.conversation import CONTEXT_WINDOW_MAX_BYTES
from kubechain.runtime.errors import Conflict, Forbidden, NotFound
from kubechain.views import windows
from kubechain.views.gathered import Gathered
from kubechain.views.telling import agent_name, earlier_count, whole_conversation
from kubechain.views.windows import Window
from kubechain.views.wording import counted

ATTEMPTS = 5
"""To add a message to a run that changes at the same time."""

START_MAX_BYTES = CONTEXT_WINDOW_MAX_BYTES // 2
"""A conversation that a run starts from is stored twice: in the spec and in the status."""


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
    place: Place, question: str, agent: str | None, *, output_schema: dict[str, Any] | None = None
) -> str:
    """Create a run of an agent; return its name.

    Args:
        agent: None for the only one of the namespace.
        output_schema: Of the object that the answer must be.
    """
    chosen = await _agent(place, agent)
    spec: dict[str, Any] = {"agent_ref": LocalObjectReference(name=chosen), "user_message": question}
    if output_schema is not None:
        spec["output_schema"] = output_schema
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


async def retried(place: Place, name: str, *, from_turn: int | None, system: str | None) -> str:
    """Create a run like another one, from its beginning or from a turn; return its name.

    Args:
        from_turn: From 1; None: from the beginning.
        system: Another prompt; None for the same.
    """
    gathered = await gather(place, name)
    spec = gathered.run.spec
    if from_turn is None and system is None:
        kept = ("task_ref", "agent_ref", "user_message", "context_window", "output_schema", "active_deadline_seconds")
        again = {field: getattr(spec, field) for field in (*kept, "ttl_seconds_after_finished")}
        return await _create(place, name, {field: value for field, value in again.items() if value})
    window = _before(gathered, from_turn or 1)
    if system is not None:
        window = windows.with_system(window, system)
    pinned = gathered.run.status.pinned
    schema = {"output_schema": pinned.output_schema} if pinned and pinned.output_schema else {}
    again = {"agent_ref": _agent_of(gathered), "context_window": _checked(window)}
    return await _create(place, name, again | schema)


def _before(gathered: Gathered, turn: int) -> Window:
    messages = _readable(gathered)
    try:
        return windows.before_turn(messages, turn, earlier=earlier_count(gathered.run, messages))
    except ValueError as error:
        raise Failure(f"--from-turn {turn}: {error}", status=2) from error


async def continued(place: Place, name: str, more: str) -> str:
    """Create a run that goes on where another one ended; return its name.

    Raises:
        Failure: The run is not over.
    """
    gathered = await gather(place, name)
    phase = gathered.run.status.phase
    if phase is None or not phase.is_terminal:
        raise Failure(f'taskrun/{name} goes on: kubechain message {name} "TEXT"')
    window = _checked(windows.answered(_readable(gathered)))
    return await _create(
        place, name, {"agent_ref": _agent_of(gathered), "context_window": window, "user_message": more}
    )


def _readable(gathered: Gathered) -> Window:
    """The whole conversation.

    Raises:
        Failure: A part of it cannot be read.
    """
    if gathered.run.status.chunks is not None and len(gathered.chunks) < gathered.run.status.chunks.count:
        raise Failure(" ".join(gathered.gaps) or "a part of the conversation cannot be read")
    return whole_conversation(gathered)


def _checked(window: Window) -> Window:
    size = windows.size_bytes(window)
    if size > START_MAX_BYTES:
        limit = counted(START_MAX_BYTES, "byte")
        raise Failure(f"the conversation has {counted(size, 'byte')}; a run can start from {limit}: take --from-turn")
    return window


def _agent_of(gathered: Gathered) -> LocalObjectReference:
    name = agent_name(gathered.run)
    if not name:
        raise Failure(f"taskrun/{gathered.run.metadata.name} has not begun: there is no conversation yet")
    return LocalObjectReference(name=name)


async def _create(place: Place, like: str, spec: dict[str, Any]) -> str:
    """Create a run under a name that the API server completes."""
    prefix = names.shortened(like, names.MAX_NAME_LENGTH - 16) + "-"
    metadata = ObjectMeta(generate_name=prefix, namespace=place.namespace or "")
    try:
        made = await place.client.create(TASK_RUNS, TaskRun(metadata=metadata, spec=TaskRunSpec(**spec)))
    except NotFound as error:
        raise Failure(f"{error}: are the kinds installed (kubechain crds | kubectl apply -f -)?") from error
    return made.metadata.name
