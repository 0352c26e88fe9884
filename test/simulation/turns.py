"""The two turns of a run with one tool call as a small model: record and claim in one write, or each alone.

A run is pinned (W1), its model is claimed (W2) and answers with a tool call (W3), the call's result is recorded (W5),
the model is claimed again and answers finally. W1 and W5 are merged with the claim that follows where the LLM has a
slot; whether it has is free in the model, at every write. Each process believes in another version of the Agent,
people may cancel the run at any time, and what else can go wrong is in `exhaustion`.

Used by `test_protocol_model`. It knows nothing of the code: what the code does is the simulation's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Self

from test.simulation.exhaustion import Proc, Sending, State, Visited, arrivals, beginning, visit

UNPINNED = -1
LAST_TURN = 1
ENDS = "DFX"


class Entry(NamedTuple):
    """What one write added to the conversation.

    Attributes:
        turn: Of the run, at that time.
        speaker: M for the model, T for the tools.
        holder: For the model: who asked.
        attempt: For the model: with which attempt.
        pin: For the model: with which Agent.
    """

    turn: int
    speaker: str
    holder: int = -1
    attempt: int = -1
    pin: int = UNPINNED


class Run(NamedTuple):
    """The run in the API server.

    Attributes:
        phase: N new, R ready for the model, S claimed, C tool calls are pending, D done, F failed, X cancelled.
        pin: Which Agent it means; each process believes in another one.
        holder: Who has the claim.
        claims: How many took effect.
    """

    version: int = 0
    phase: str = "N"
    pin: int = UNPINNED
    turn: int = 0
    holder: int = -1
    attempt: int = -1
    claims: int = 0
    window: tuple[Entry, ...] = ()
    is_to_cancel: bool = False

    def at(self, version: int) -> Self:
        """The same run as that version."""
        return self._replace(version=version)

    def is_claimed_by(self, proc: Proc[Run]) -> bool:
        """Whether the claim that counts is that of a process."""
        return self.phase == "S" and (self.holder, self.attempt) == (proc.name, proc.claim)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turns:
    """Which order of steps. Each flag that is not as by default is a way to break the promise.

    Attributes:
        pins: The merged write of the beginning pins the Agent.
        claims: The merged write has the claim; otherwise it is the record alone, and the model is called all the same.
        waits: The model is called only when the claim is confirmed.
        moves_on: The merged write claims the turn that begins, not the one that the run was in before.
        is_conditional: The merged writes carry the version that they are based on, as all others do.
        checks_token: After a failed record look whether the claim still counts.
        sees_cancel: The second decision, after the record, looks at the same run as the first.
        is_cancelled: People may cancel the run, at any time.
        faults: How many writes may be lost, late or unanswered, and processes die, in all.
        attempts: How often a turn may be claimed.
    """

    pins: bool = True
    claims: bool = True
    waits: bool = True
    moves_on: bool = True
    is_conditional: bool = True
    checks_token: bool = True
    sees_cancel: bool = True
    is_cancelled: bool = False
    faults: int = 1
    attempts: int = 2

    @property
    def sending(self) -> Sending:
        """How writes are sent."""
        return Sending(is_conditional=True, faults=self.faults)

    @property
    def merging(self) -> Sending:
        """How merged writes are sent."""
        return Sending(self.is_conditional, self.faults)


def explore(turns: Turns) -> Visited[Run]:
    """Visit every state, or as many as it takes to find one that is wrong."""
    return visit(
        beginning(Run()),
        partial(successors, turns=turns),
        is_wrong=is_wrong,
        is_end=lambda state: state.obj.phase in ENDS,
        stops_at_wrong=True,
    )


def is_wrong(before: State[Run], after: State[Run]) -> bool:
    """Whether a step broke a promise."""
    old, new = before.obj, after.obj
    if after.executions > new.claims:
        return True
    if old == new:
        return False
    return (
        old.phase in ENDS
        or (old.pin != UNPINNED and new.pin != old.pin)
        or new.window[: len(old.window)] != old.window
        or not _is_in_order(new.window)
        or (len(new.window) > len(old.window) and not _may_add(old, new))
        or (new.claims > old.claims and not _may_claim(old, new))
    )


def _is_in_order(window: tuple[Entry, ...]) -> bool:
    """The model asks for the tool, the tool answers, the model ends; each turn once."""
    said = tuple((entry.turn, entry.speaker) for entry in window)
    return said == ((0, "M"), (0, "T"), (1, "M"))[: len(said)]


def _may_add(old: Run, new: Run) -> bool:
    """Answers of the model count under the claim that counts, and for the Agent that is pinned."""
    entry = new.window[-1]
    if entry.speaker == "T":
        return old.phase == "C"
    return old.phase == "S" and (entry.holder, entry.attempt, entry.pin) == (old.holder, old.attempt, old.pin)


def _may_claim(old: Run, new: Run) -> bool:
    """A claim names what is asked, and nobody asks for a run that is to be cancelled."""
    is_first = new.attempt == 0 and (old.phase in "NRC")
    return new.pin != UNPINNED and not old.is_to_cancel and (is_first or new.attempt == old.attempt + 1)


def successors(state: State[Run], turns: Turns) -> Iterator[State[Run]]:
    """All that can happen next."""
    yield from arrivals(state)
    if turns.is_cancelled and not state.obj.is_to_cancel and state.obj.phase not in ENDS:
        yield state._replace(obj=state.obj._replace(is_to_cancel=True).at(state.obj.version + 1))
    for number, proc in enumerate(state.procs):
        yield from _steps(state, number, proc, turns)
        yield from turns.sending.births(state, number, Run())


def _steps(state: State[Run], number: int, proc: Proc[Run], turns: Turns) -> Iterator[State[Run]]:
    match proc.pc:
        case "ask":
            yield state.having(number, proc._replace(pc="record"))._replace(executions=state.executions + 1)
        case "record":
            answered = _answered(proc)
            yield from turns.sending.send(state, number, proc, answered, then="idle", otherwise="check")
        case "check":
            yield state.having(number, _checked(proc, state.obj, turns))
        case _:
            if proc.cache != state.obj:
                yield state.having(number, proc._replace(cache=state.obj))
            for wanted, asks in _decided(proc, turns):
                yield from _write(state, number, proc, wanted, turns, asks=asks)


def _answered(proc: Proc[Run]) -> Run:
    """W3: the answer of the model, and what follows from it."""
    run = proc.cache
    entry = Entry(run.turn, "M", proc.name, proc.claim, _opinion(proc) if run.pin == UNPINNED else run.pin)
    phase = "D" if run.turn == LAST_TURN else "C"
    return run._replace(phase=phase, window=(*run.window, entry), holder=-1, attempt=-1)


def _checked(proc: Proc[Run], run: Run, turns: Turns) -> Proc[Run]:
    """After a record that was not confirmed: done, ours, or somebody else's."""
    own = (proc.name, proc.claim, proc.cache.turn)
    is_done = any((entry.holder, entry.attempt, entry.turn) == own for entry in run.window)
    goes_on = not is_done and (run.is_claimed_by(proc) or not turns.checks_token)
    return proc._replace(pc="record" if goes_on else "idle", cache=run)


def _decided(proc: Proc[Run], turns: Turns) -> Iterator[tuple[Run, bool]]:
    """What a reconcile makes of its cache, which may be old: the next version, and whether the model is asked then."""
    run = proc.cache
    if run.phase in ENDS:
        return
    if run.is_to_cancel and turns.sees_cancel:
        yield run._replace(phase="X"), False
    elif run.phase == "N":
        begun = run._replace(phase="R", pin=_opinion(proc))
        yield begun, False
        yield _merged(run, begun if turns.pins else begun._replace(pin=UNPINNED), proc, turns), True
    elif run.phase == "R":
        yield _claimed(run, proc, 0), True
    elif run.phase == "S" and run.attempt + 1 < turns.attempts:
        # Nobody in this process works on it; whether the holder lives is a guess.
        yield _claimed(run, proc, run.attempt + 1), True
    elif run.phase == "S":
        yield run._replace(phase="F"), False
    else:
        following = run._replace(phase="R", turn=run.turn + 1, window=(*run.window, Entry(run.turn, "T")))
        yield following, False
        yield _merged(run, following, proc, turns), True


def _merged(run: Run, recorded: Run, proc: Proc[Run], turns: Turns) -> Run:
    """W1 or W5, together with W2: the claim is decided on the record that is not written yet."""
    if not turns.claims:
        return recorded
    claimed = _claimed(recorded, proc, 0)
    return claimed if turns.moves_on else claimed._replace(turn=run.turn)


def _claimed(run: Run, proc: Proc[Run], attempt: int) -> Run:
    return run._replace(phase="S", holder=proc.name, attempt=attempt, claims=run.claims + 1)


def _opinion(proc: Proc[Run]) -> int:
    """The version of the Agent that a process believes in: people may have edited it."""
    return proc.name % 2


def _write(
    state: State[Run], number: int, proc: Proc[Run], wanted: Run, turns: Turns, *, asks: bool
) -> Iterator[State[Run]]:
    """One write; the model is asked after it was confirmed, and in no other case."""
    is_merged = asks and proc.cache.phase in "NC"
    sending = turns.merging if is_merged else turns.sending
    if not asks:
        yield from sending.send(state, number, proc, wanted, then="idle", otherwise="idle")
        return
    wanting = proc._replace(claim=max(wanted.attempt, 0))
    for following in sending.send(state, number, wanting, wanted, then="ask", otherwise="idle"):
        mine = following.procs[number]
        if mine.pc == "idle" and not turns.waits:
            mine = mine._replace(pc="ask", cache=wanted.at(proc.cache.version + 1))
        yield following.having(number, mine)
