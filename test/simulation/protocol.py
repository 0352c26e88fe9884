"""The claim protocol of one effect as a small model, explored completely: every order of everything that can happen.

Two manager processes share one object. Caches can be old; each process can take the other one for dead at any time,
wrongly; what else can go wrong is in `exhaustion`. The same model plays the order of the predecessors (execute, then
record), and the variants that people are tempted to write.

Used by `test_protocol_model`. It knows nothing of the code: what the code does is the simulation's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self

from test.simulation.exhaustion import Proc, Sending, State, arrivals, beginning, visit


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

    def at(self, version: int) -> Self:
        """The same object as that version."""
        return self._replace(version=version)


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Which order of steps.

    Attributes:
        claims: Write a claim before the effect; otherwise execute, then record.
        is_conditional: Writes carry the version that they are based on.
        checks_token: After a failed record look whether the claim still counts.
        is_pure: Nothing happens outside: there is no execution to count and none to claim, and what was computed is
            dropped when it cannot be recorded.
        repeats: An orphaned claim is claimed again (a model call, a tool that is safe to repeat).
        faults: How many writes may be lost, late or unanswered, and processes die, in all.
        attempts: How often may be claimed again.
    """

    claims: bool = True
    is_conditional: bool = True
    checks_token: bool = True
    is_pure: bool = False
    repeats: bool = False
    faults: int = 3
    attempts: int = 2

    @property
    def sending(self) -> Sending:
        """How its writes are sent."""
        return Sending(self.is_conditional, self.faults)


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
    wrong: State[Obj] | None


def explore(protocol: Protocol) -> Explored:
    """Visit every state."""
    visited = visit(
        beginning(Obj()),
        partial(successors, protocol=protocol),
        is_wrong=lambda before, after: _is_wrong(before.obj, after.obj),
        is_end=lambda state: state.obj.phase in "DU",
    )
    return Explored(
        states=len(visited.states),
        executions_max=max(state.executions for state in visited.states),
        answers_max=max(len(state.obj.answers) for state in visited.states),
        has_traps=visited.has_traps,
        wrong=visited.wrong,
    )


def _is_wrong(before: Obj, after: Obj) -> bool:
    if before.phase in "DU" and after != before:
        return True
    is_record = len(after.answers) > len(before.answers)
    return is_record and before.phase == "R" and after.answers[-1] != (before.holder, before.attempt)


def successors(state: State[Obj], protocol: Protocol) -> Iterator[State[Obj]]:
    """All that can happen next."""
    yield from arrivals(state)
    for number, proc in enumerate(state.procs):
        yield from _steps(state, number, proc, protocol)
        yield from protocol.sending.births(state, number, Obj())


def _steps(state: State[Obj], number: int, proc: Proc[Obj], protocol: Protocol) -> Iterator[State[Obj]]:
    match proc.pc:
        case "look":
            is_ours = state.obj.phase == "R" and (state.obj.holder, state.obj.attempt) == (proc.name, proc.claim)
            yield state.having(number, proc._replace(pc="work" if is_ours else "idle", cache=state.obj))
        case "work":
            executions = state.executions + (not protocol.is_pure)
            yield state.having(number, proc._replace(pc="record"))._replace(executions=executions)
        case "record":
            done = proc.cache._replace(phase="D", answers=(*proc.cache.answers, (proc.name, proc.claim)))
            otherwise = "idle" if protocol.is_pure else "check"
            yield from protocol.sending.send(state, number, proc, done, then="idle", otherwise=otherwise)
        case "check":
            yield state.having(number, _checked(proc, state.obj, protocol))
        case _:
            if proc.cache != state.obj:
                yield state.having(number, proc._replace(cache=state.obj))
            yield from _decide(state, number, proc, protocol)


def _checked(proc: Proc[Obj], obj: Obj, protocol: Protocol) -> Proc[Obj]:
    """After a record that was not confirmed: done, ours, or somebody else's."""
    if (proc.name, proc.claim) in obj.answers:
        return proc._replace(pc="idle", cache=obj)
    is_ours = obj.phase == "R" and (obj.holder, obj.attempt) == (proc.name, proc.claim)
    goes_on = is_ours or not protocol.checks_token or not protocol.claims
    return proc._replace(pc="record" if goes_on else "idle", cache=obj)


def _decide(state: State[Obj], number: int, proc: Proc[Obj], protocol: Protocol) -> Iterator[State[Obj]]:
    """What a reconcile makes of its cache, which may be old."""
    cache = proc.cache
    if cache.phase == "P" and not protocol.claims:
        yield state.having(number, proc._replace(pc="work", claim=0))
    elif cache.phase == "P":
        yield from _claim(state, number, proc, 0, protocol)
    elif cache.phase == "R" and protocol.repeats and cache.attempt + 1 < protocol.attempts:
        # Nobody in this process works on it; whether the holder lives is a guess.
        yield from _claim(state, number, proc, cache.attempt + 1, protocol)
    elif cache.phase == "R":
        unknown = cache._replace(phase="U")
        yield from protocol.sending.send(state, number, proc, unknown, then="idle", otherwise="idle")


def _claim(state: State[Obj], number: int, proc: Proc[Obj], attempt: int, protocol: Protocol) -> Iterator[State[Obj]]:
    claimed = proc.cache._replace(phase="R", holder=proc.name, attempt=attempt)
    wanting = proc._replace(claim=attempt)
    yield from protocol.sending.send(state, number, wanting, claimed, then="work", otherwise="look")
