"""The claim protocol as a small model, explored completely: every order of everything that can happen.

Two manager processes share one object behind a compare-and-swap. A write can be lost, its reply can be lost, it can
arrive late; caches can be old; each process can take the other one for dead at any time, wrongly; processes die and
are born again under another name. The same model plays the order of the predecessors (execute, then record), and the
variants that people are tempted to write.

Used by `test_protocol_model`. It knows nothing of the code: what the code does is the simulation's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

Pc = Literal["idle", "look", "work", "record", "check"]


class Obj(NamedTuple):
    """The object in the API server.

    Attributes:
        phase: P pending, R running under a claim, D done, U outcome unknown.
        holder: Who has the claim.
        attempt: Which attempt the claim is for.
        answers: What was recorded, one entry for each record that took effect.
    """

    version: int = 0
    phase: str = "P"
    holder: int = -1
    attempt: int = -1
    answers: tuple[tuple[int, int], ...] = ()


class Write(NamedTuple):
    """A write on its way.

    Attributes:
        base: Version that it is conditional on; None overwrites.
    """

    base: int | None
    obj: Obj


class Proc(NamedTuple):
    """One manager process.

    Attributes:
        name: A new one for each life.
        cache: What it believes.
        claim: Attempt that it holds, or tries to.
    """

    name: int
    pc: Pc = "idle"
    cache: Obj = Obj()
    claim: int = -1


class State(NamedTuple):
    """Everything."""

    obj: Obj
    procs: tuple[Proc, ...]
    late: tuple[Write, ...] = ()
    executions: int = 0
    faults: int = 0
    names: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Which order of steps.

    Attributes:
        claims: Write a claim before the effect; otherwise execute, then record.
        is_conditional: Writes carry the version that they are based on.
        checks_token: After a failed record look whether the claim still counts.
        repeats: An orphaned claim is claimed again (a model call, a tool that is safe to repeat).
        faults: How many writes may be lost, late or unanswered, and processes die, in all.
        attempts: How often may be claimed again.
    """

    claims: bool = True
    is_conditional: bool = True
    checks_token: bool = True
    repeats: bool = False
    faults: int = 3
    attempts: int = 2


@dataclass(frozen=True, slots=True)
class Explored:
    """All that can happen.

    Attributes:
        states: How many there are.
        executions_max: Most executions in one history.
        answers_max: Most records that took effect in one history.
        has_traps: Whether some history cannot end any more.
        wrong: A state in which an end was changed, or a claim that did not count was recorded.
    """

    states: int
    executions_max: int
    answers_max: int
    has_traps: bool
    wrong: State | None


def explore(protocol: Protocol) -> Explored:
    """Visit every state, breadth first."""
    start = State(Obj(), (Proc(0), Proc(1)))
    before: dict[State, list[State]] = {start: []}
    queue = deque([start])
    wrong: State | None = None
    while queue:
        state = queue.popleft()
        for following in successors(state, protocol):
            if _is_wrong(state.obj, following.obj):
                wrong = wrong or following
            if following not in before:
                before[following] = []
                queue.append(following)
            before[following].append(state)
    return Explored(
        states=len(before),
        executions_max=max(state.executions for state in before),
        answers_max=max(len(state.obj.answers) for state in before),
        has_traps=len(_can_end(before)) < len(before),
        wrong=wrong,
    )


def _is_wrong(before: Obj, after: Obj) -> bool:
    if before.phase in "DU" and after != before:
        return True
    is_record = len(after.answers) > len(before.answers)
    return is_record and before.phase == "R" and after.answers[-1] != (before.holder, before.attempt)


def _can_end(before: dict[State, list[State]]) -> set[State]:
    """All states from which an end can be reached."""
    ends = [state for state in before if state.obj.phase in "DU"]
    seen, queue = set(ends), deque(ends)
    while queue:
        for earlier in before[queue.popleft()]:
            if earlier not in seen:
                seen.add(earlier)
                queue.append(earlier)
    return seen


def successors(state: State, protocol: Protocol) -> Iterator[State]:
    """All that can happen next."""
    for number, write in enumerate(state.late):
        rest = state.late[:number] + state.late[number + 1 :]
        yield _applied(state._replace(late=rest), write)
    for number, proc in enumerate(state.procs):
        yield from _steps(state, number, proc, protocol)
        if state.faults < protocol.faults:
            born = Proc(state.names)
            yield _with(state, number, born)._replace(faults=state.faults + 1, names=state.names + 1)


def _steps(state: State, number: int, proc: Proc, protocol: Protocol) -> Iterator[State]:
    match proc.pc:
        case "idle":
            if proc.cache != state.obj:
                yield _with(state, number, proc._replace(cache=state.obj))
            yield from _decide(state, number, proc, protocol)
        case "look":
            is_ours = state.obj.phase == "R" and (state.obj.holder, state.obj.attempt) == (proc.name, proc.claim)
            yield _with(state, number, proc._replace(pc="work" if is_ours else "idle", cache=state.obj))
        case "work":
            yield _with(state, number, proc._replace(pc="record"))._replace(executions=state.executions + 1)
        case "record":
            done = proc.cache._replace(phase="D", answers=(*proc.cache.answers, (proc.name, proc.claim)))
            yield from _send(state, number, proc, done, protocol, then="idle", otherwise="check")
        case "check":
            yield _with(state, number, _checked(proc, state.obj, protocol))


def _checked(proc: Proc, obj: Obj, protocol: Protocol) -> Proc:
    """After a record that was not confirmed: done, ours, or somebody else's."""
    if (proc.name, proc.claim) in obj.answers:
        return proc._replace(pc="idle", cache=obj)
    is_ours = obj.phase == "R" and (obj.holder, obj.attempt) == (proc.name, proc.claim)
    goes_on = is_ours or not protocol.checks_token or not protocol.claims
    return proc._replace(pc="record" if goes_on else "idle", cache=obj)


def _decide(state: State, number: int, proc: Proc, protocol: Protocol) -> Iterator[State]:
    """What a reconcile makes of its cache, which may be old."""
    cache = proc.cache
    if cache.phase == "P" and not protocol.claims:
        yield _with(state, number, proc._replace(pc="work", claim=0))
    elif cache.phase == "P":
        yield from _claim(state, number, proc, 0, protocol)
    elif cache.phase == "R" and protocol.repeats and cache.attempt + 1 < protocol.attempts:
        # Nobody in this process works on it; whether the holder lives is a guess.
        yield from _claim(state, number, proc, cache.attempt + 1, protocol)
    elif cache.phase == "R":
        unknown = cache._replace(phase="U")
        yield from _send(state, number, proc, unknown, protocol, then="idle", otherwise="idle")


def _claim(state: State, number: int, proc: Proc, attempt: int, protocol: Protocol) -> Iterator[State]:
    claimed = proc.cache._replace(phase="R", holder=proc.name, attempt=attempt)
    wanting = proc._replace(claim=attempt)
    yield from _send(state, number, wanting, claimed, protocol, then="work", otherwise="look")


def _send(
    state: State, number: int, proc: Proc, obj: Obj, protocol: Protocol, *, then: Pc, otherwise: Pc
) -> Iterator[State]:
    """A write, and everything that can become of it."""
    write = Write(proc.cache.version if protocol.is_conditional else None, obj)
    applied = _applied(state, write)
    if applied.obj != state.obj:
        yield _with(applied, number, proc._replace(pc=then, cache=applied.obj))
    else:
        yield _with(state, number, proc._replace(pc=otherwise))
    if state.faults < protocol.faults:
        unsure = proc._replace(pc=otherwise)
        yield _with(state, number, unsure)._replace(faults=state.faults + 1)
        yield _with(applied, number, unsure)._replace(faults=state.faults + 1)
        late = tuple(sorted((*state.late, write), key=repr))
        yield _with(state, number, unsure)._replace(faults=state.faults + 1, late=late)


def _applied(state: State, write: Write) -> State:
    """Compare and swap. Without the comparison the last one wins."""
    if write.base is not None and write.base != state.obj.version:
        return state
    return state._replace(obj=write.obj._replace(version=state.obj.version + 1))


def _with(state: State, number: int, proc: Proc) -> State:
    return state._replace(procs=(*state.procs[:number], proc, *state.procs[number + 1 :]))


def variant(protocol: Protocol, **changes: object) -> Protocol:
    """The same with something left out."""
    return replace(protocol, **changes)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
