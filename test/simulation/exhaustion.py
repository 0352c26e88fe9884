"""Explores a small model completely: two processes share one object behind a compare-and-swap.

A write can be lost, its reply can be lost, it can arrive late; processes die and are born again under another name.
Used by the models of the tool call (`protocol`) and of a run's turns (`turns`). What must not go here: any step of a
protocol.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, Self, TypeVar


class Versioned(Protocol):
    """An object of the API server."""

    @property
    def version(self) -> int:
        """Grows with each write."""
        ...

    def at(self, version: int) -> Self:
        """The same object as that version."""
        ...


ObjT = TypeVar("ObjT", bound=Versioned)


class Write(NamedTuple, Generic[ObjT]):
    """A write on its way.

    Attributes:
        base: Version that it is conditional on; None overwrites.
    """

    base: int | None
    obj: ObjT


class Proc(NamedTuple, Generic[ObjT]):
    """One manager process.

    Attributes:
        name: A new one for each life.
        cache: What it believes.
        pc: What it does next; a process that does nothing is idle.
        claim: Attempt that it holds, or tries to.
    """

    name: int
    cache: ObjT
    pc: str = "idle"
    claim: int = -1


class State(NamedTuple, Generic[ObjT]):
    """Everything."""

    obj: ObjT
    procs: tuple[Proc[ObjT], ...]
    late: tuple[Write[ObjT], ...] = ()
    executions: int = 0
    faults: int = 0
    names: int = 2

    def having(self, number: int, proc: Proc[ObjT]) -> Self:
        """The same with another process in a place."""
        return self._replace(procs=(*self.procs[:number], proc, *self.procs[number + 1 :]))

    def after(self, write: Write[ObjT]) -> Self:
        """Compare and swap. Without the comparison the last one wins."""
        if write.base is not None and write.base != self.obj.version:
            return self
        return self._replace(obj=write.obj.at(self.obj.version + 1))

    def broken(self) -> Self:
        """One fault more."""
        return self._replace(faults=self.faults + 1)


def beginning(obj: ObjT) -> State[ObjT]:
    """Two processes that know the object."""
    return State(obj, (Proc(0, obj), Proc(1, obj)))


@dataclass(frozen=True, slots=True)
class Sending:
    """How writes are sent, and what may become of them.

    Attributes:
        is_conditional: They carry the version that they are based on.
        faults: How many may be lost, late or unanswered, and processes die, in all.
    """

    is_conditional: bool
    faults: int

    def send(
        self, state: State[ObjT], number: int, proc: Proc[ObjT], obj: ObjT, *, then: str, otherwise: str
    ) -> Iterator[State[ObjT]]:
        """A write, and everything that can become of it.

        Args:
            then: What the process does next when it was confirmed.
            otherwise: What it does next when it was not.
        """
        write = Write(proc.cache.version if self.is_conditional else None, obj)
        applied = state.after(write)
        if applied.obj != state.obj:
            yield applied.having(number, proc._replace(pc=then, cache=applied.obj))
        else:
            yield state.having(number, proc._replace(pc=otherwise))
        if state.faults < self.faults:
            unsure = proc._replace(pc=otherwise)
            yield state.having(number, unsure).broken()
            yield applied.having(number, unsure).broken()
            late = tuple(sorted((*state.late, write), key=repr))
            yield state.having(number, unsure).broken()._replace(late=late)

    def births(self, state: State[ObjT], number: int, empty: ObjT) -> Iterator[State[ObjT]]:
        """The process dies, and another one starts in its place."""
        if state.faults < self.faults:
            born = Proc(state.names, empty)
            yield state.having(number, born).broken()._replace(names=state.names + 1)


def arrivals(state: State[ObjT]) -> Iterator[State[ObjT]]:
    """Writes that were late arrive."""
    for number, write in enumerate(state.late):
        rest = state.late[:number] + state.late[number + 1 :]
        yield state._replace(late=rest).after(write)


@dataclass(frozen=True, slots=True)
class Visited(Generic[ObjT]):
    """All that can happen.

    Attributes:
        states: Every one.
        has_traps: Whether some history cannot end any more.
        wrong: A state that no history may reach from the one before.
    """

    states: Sequence[State[ObjT]]
    has_traps: bool
    wrong: State[ObjT] | None


def visit(
    start: State[ObjT],
    successors: Callable[[State[ObjT]], Iterable[State[ObjT]]],
    *,
    is_wrong: Callable[[State[ObjT], State[ObjT]], bool],
    is_end: Callable[[State[ObjT]], bool],
    stops_at_wrong: bool = False,
) -> Visited[ObjT]:
    """Visit every state, breadth first.

    Args:
        is_wrong: Whether no history may go from the first state to the second.
        is_end: Whether a history is over in a state.
        stops_at_wrong: Visit no further ones once something was wrong.
    """
    before: dict[State[ObjT], list[State[ObjT]]] = {start: []}
    queue = deque([start])
    wrong: State[ObjT] | None = None
    while queue and not (stops_at_wrong and wrong):
        state = queue.popleft()
        for following in successors(state):
            if wrong is None and is_wrong(state, following):
                wrong = following
            if following not in before:
                before[following] = []
                queue.append(following)
            before[following].append(state)
    ends = [state for state in before if is_end(state)]
    return Visited(states=list(before), has_traps=len(_leading_to(ends, before)) < len(before), wrong=wrong)


def _leading_to(ends: Sequence[State[ObjT]], before: dict[State[ObjT], list[State[ObjT]]]) -> set[State[ObjT]]:
    """All states from which one of the ends can be reached."""
    seen, queue = set(ends), deque(ends)
    while queue:
        for earlier in before[queue.popleft()]:
            if earlier not in seen:
                seen.add(earlier)
                queue.append(earlier)
    return seen
