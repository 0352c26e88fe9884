"""What must hold about runs that continue others: a copy is whole, made once, and of a conversation that is over.

Part of the watchman; with the mutants that it must catch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubechain.api.message import Message
from kubechain.api.taskrun import TaskRun
from kubechain.controllers.taskrun import continuation
from kubechain.controllers.taskrun.continuation import NEVER_ENDED
from kubechain.controllers.taskrun.sources import Source
from kubechain.controllers.taskrun.steps import Wait
from test.simulation.cluster import phase_of, status_of
from test.simulation.mutant import Mutant

JsonObject = dict[str, Any]

_ENDS = ("FinalAnswer", "Failed", "Cancelled")


class ContinuationLaws:
    """Judges the first messages of each run that continues another one."""

    def __init__(self, violated: Callable[[str], None]) -> None:
        """Know no run yet.

        Args:
            violated: Told what must never be.
        """
        self._violated = violated
        self._said: dict[str, Sequence[JsonObject]] = {}
        self._phases: dict[str, str] = {}

    def on_write(self, run: JsonObject, before: JsonObject, said: Sequence[JsonObject]) -> None:
        """Look at one write of a run.

        Args:
            run: As it is now.
            before: Its status before.
            said: Its whole conversation.
        """
        metadata, after = run["metadata"], status_of(run)
        old, new = before.get("continuedFrom"), after.get("continuedFrom")
        if old is not None and new != old:
            self._violated(f"taskruns/{metadata['name']}: says that it continues another run than before")
        if old is None and new is not None:
            self._check_copy(metadata["name"], run["spec"]["continueFrom"], new, said)
        if new is None and said and run["spec"].get("continueFrom"):
            self._violated(f"taskruns/{metadata['name']}: began without the run that it continues")
        self._said[metadata["uid"]], self._phases[metadata["uid"]] = said, phase_of(run)

    def _check_copy(self, name: str, wanted: JsonObject, record: JsonObject, said: Sequence[JsonObject]) -> None:
        source, copied = self._said.get(record["uid"], ()), said[: record["messageCount"]]
        if list(copied[: len(source)]) != list(source[: len(copied)]):
            self._violated(f"taskruns/{name}: its first messages are not those of {wanted['name']}")
        if "beforeTurn" in wanted:
            return
        if self._phases.get(record["uid"]) not in _ENDS:
            self._violated(f"taskruns/{name}: continues {wanted['name']}, which goes on")
        if len(copied) < len(source):
            self._violated(f"taskruns/{name}: lost the end of the conversation of {wanted['name']}")
        if any(message["role"] != "tool" for message in copied[len(source) :]):
            self._violated(f"taskruns/{name}: its first messages are more than those of {wanted['name']}")


def copied_count(before: Mapping[str, Any], after: Mapping[str, Any]) -> int:
    """How many messages of a write are of another run."""
    is_new = "continuedFrom" in after and "continuedFrom" not in before
    return int(after["continuedFrom"]["messageCount"]) if is_new else 0


def is_left_open(answer: Mapping[str, Any]) -> bool:
    """Whether a result says that nobody knows what became of the call."""
    return bool(answer["content"] == NEVER_ENDED and answer.get("isError"))


_copied, _trouble = continuation._copied, continuation.trouble  # pyright: ignore[reportPrivateUsage]


def _forget_the_end(run: TaskRun, source: Source) -> Sequence[Message]:
    """The last answer is left behind."""
    return _copied(run, source)[:-1]


def _forget_the_chunks(run: TaskRun, source: Source) -> Sequence[Message]:
    """What has moved into ContextChunks is left behind."""
    return _copied(run, Source(source.run, calls=source.calls))


def _do_not_wait(run: TaskRun, source: Source | None) -> object:
    """What the other run says so far is copied, however it is."""
    found = _trouble(run, source)
    return None if isinstance(found, Wait) and source is not None and source.run.status.pinned else found


ALL: tuple[Mutant, ...] = (
    Mutant("copy-loses-the-end", ((continuation, "_copied", _forget_the_end),), "continued"),
    Mutant("copy-loses-the-chunks", ((continuation, "_copied", _forget_the_chunks),), "continued-long"),
    Mutant("copies-what-goes-on", ((continuation, "trouble", _do_not_wait),), "continued-long"),
)
