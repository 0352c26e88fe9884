"""Which LLM a run calls: its own, or the first of its fallbacks that can answer. Pure.

An LLM that the run has called in this turn and left is not called again in the turn (`LEFT`); one that was passed over
without a call is looked at anew before each attempt, and each turn begins with the run's own LLM. A fallback's own
fallbacks do not count. What must not go here: what the outcome of a call leads to (`turning`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kubechain.api.fallbacks import MESSAGE_LIMIT, PassedOver, PassedOverReason
from kubechain.api.llm import LLM
from kubechain.api.meta import StatusType
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.controllers.taskrun import contextsize
from kubechain.controllers.taskrun.llmslots import Trouble
from kubechain.llm import prices
from kubechain.net.foreign import cut

REFUSES = frozenset(
    {
        PassedOverReason.NO_CREDIT,
        PassedOverReason.KEY_REFUSED,
        PassedOverReason.MODEL_GONE,
        PassedOverReason.SETTINGS_REFUSED,
        PassedOverReason.CONTEXT_TOO_LONG,
    }
)
"""Another call of the turn would fail again, however long the run waits."""

LEFT = REFUSES | {PassedOverReason.CALLS_FAIL}
"""The run called the LLM in this turn, and left it."""

LOOK_AGAIN_SECONDS = 5.0
"""How soon a run that no LLM can answer looks again, where nobody knows when one can."""

SHORTEST_LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """The run's LLM, or one of its fallbacks.

    Attributes:
        llm: None where it does not exist.
        trouble: Why a call is of no use now; None where it is, or where the LLM is the only one.
    """

    name: str
    llm: LLM | None
    trouble: Trouble | None = None

    @property
    def is_ready(self) -> bool:
        """Whether it can be called, as far as its own status says."""
        return self.llm is not None and self.llm.status.status == StatusType.READY

    @property
    def window(self) -> int | None:
        """Most tokens that a request may have; None where nobody said it."""
        return contextsize.window_tokens(self.llm)


@dataclass(frozen=True, slots=True)
class Choice:
    """The LLM that is called.

    Attributes:
        passed_over: Those that are not, with the cause.
        failures: How many calls of this one failed before in the turn.
    """

    llm: LLM
    passed_over: tuple[PassedOver, ...] = ()
    failures: int = 0


def has_fallbacks(run: TaskRun) -> bool:
    """Whether there is more than one LLM that the run may call."""
    return run.status.pinned is not None and bool(run.status.pinned.fallbacks)


def claim_of_turn(run: TaskRun) -> LLMClaim | None:
    """The last claim, where it was for the turn that the run is in."""
    claim = run.status.llm
    return claim if claim is not None and claim.turn == run.status.turn else None


def for_summary(run: TaskRun, choice: Choice, summariser: LLM) -> Choice:
    """What the claim on a summary before the turn says of LLMs: who is asked for it, and who is passed over.

    Args:
        choice: Of the turn.
        summariser: Who is asked; often the LLM of the turn itself.
    """
    if summariser.metadata.name == choice.llm.metadata.name:
        return choice
    return Choice(summariser, choice.passed_over, _failures(run, summariser.metadata.name))


def after_summary(run: TaskRun) -> LLMClaim | None:
    """What a run keeps of the claim on a summary: the LLMs that it left in the turn; None where it left none."""
    claim = run.status.llm if left_in_turn(run) else None
    return claim.with_changes(llm_name=None, failures=None, summary_through=None) if claim is not None else None


def left_in_turn(run: TaskRun) -> tuple[PassedOver, ...]:
    """The LLMs that the run called in this turn, and left."""
    claim = claim_of_turn(run)
    return tuple(one for one in claim.passed_over if one.reason in LEFT) if claim else ()


def choose(
    run: TaskRun,
    candidates: Sequence[Candidate],
    left: Sequence[PassedOver],
    *,
    is_cost_bound: bool = False,
) -> Choice | None:
    """The first LLM that can answer now; None where none can.

    A fallback whose window is known to be too small for the conversation comes after all others.

    Args:
        run: Whose last claim says how often an LLM failed.
        candidates: The run's own LLM, then its fallbacks.
        left: Those that the run called in this turn, and left.
        is_cost_bound: Whether a limit of cost binds the run, so that an LLM needs a known price.
    """
    known = causes(candidates, left, is_cost_bound=is_cost_bound)
    able = [one for one in candidates if one.name not in known]
    fitting = [one for one in able if one is candidates[0] or _fits(run, one)]
    if not fitting:
        # The request is made shorter for it: `growth` goes by the window of the LLM that is called.
        return next((_choice(run, one.llm, candidates, known) for one in able if one.llm is not None), None)
    small = {one.name: _too_small(run, one) for one in able if one not in fitting}
    return next((_choice(run, one.llm, candidates, known | small) for one in fitting if one.llm is not None), None)


def wait_for(
    run: TaskRun, candidates: Sequence[Candidate], left: Sequence[PassedOver], *, is_cost_bound: bool = False
) -> Choice | None:
    """Where no LLM can answer now: the first that may later, in whose queue the run waits; None where none is ready."""
    known = causes(candidates, left, is_cost_bound=is_cost_bound)
    passing = (PassedOverReason.PROVIDER_DOWN, PassedOverReason.CALLS_FAIL)
    for candidate in candidates:
        may_pass = candidate.name not in known or known[candidate.name].reason in passing
        if candidate.is_ready and candidate.llm is not None and may_pass:
            return _choice(run, candidate.llm, candidates, known)
    return None


def causes(
    candidates: Sequence[Candidate], left: Sequence[PassedOver], *, is_cost_bound: bool = False
) -> dict[str, PassedOver]:
    """Why each LLM that cannot answer now is passed over, in their order."""
    known = {one.llm_name: one for one in left}
    windows = [one.window for one in candidates if _is_too_small(known.get(one.name))]
    found = ((one.name, known.get(one.name) or _cause(one, windows, is_cost_bound)) for one in candidates)
    return {name: cause for name, cause in found if cause is not None}


def may_come_back(candidates: Sequence[Candidate], left: Sequence[PassedOver]) -> bool:
    """Whether some LLM may answer later in this turn."""
    refused = {one.llm_name for one in left if one.reason in REFUSES}
    return any(candidate.name not in refused and candidate.llm is not None for candidate in candidates)


def look_again_seconds(candidates: Sequence[Candidate]) -> float:
    """How soon a run that waits in the queue of one LLM looks whether another one can answer."""
    known = [candidate.trouble.seconds for candidate in candidates if candidate.trouble is not None]
    seconds = min((LOOK_AGAIN_SECONDS if one is None else one for one in known), default=LOOK_AGAIN_SECONDS)
    return max(seconds, SHORTEST_LOOK_SECONDS)


def passed_over(name: str, reason: PassedOverReason, message: str) -> PassedOver:
    """An LLM with the cause for which it is passed over."""
    return PassedOver(llm_name=name, reason=reason, message=cut(message, MESSAGE_LIMIT))


def in_words(passed: Iterable[PassedOver]) -> str:
    """Several of them, in one line."""
    return "; ".join(one.text for one in passed)


def _choice(run: TaskRun, llm: LLM, candidates: Sequence[Candidate], known: Mapping[str, PassedOver]) -> Choice:
    """The LLM, with those before it, and those that the run has left."""
    name = llm.metadata.name
    names = [one.name for one in candidates]
    before = names[: names.index(name)]
    told = (cause for other, cause in known.items() if other != name and (other in before or cause.reason in LEFT))
    return Choice(llm, tuple(told), _failures(run, name))


def _failures(run: TaskRun, name: str) -> int:
    """How many calls of an LLM failed in the turn, where it was the last that was called."""
    claim = claim_of_turn(run)
    return claim.failures or 0 if claim is not None and claim.llm_name == name else 0


def _is_too_small(cause: PassedOver | None) -> bool:
    return cause is not None and cause.reason == PassedOverReason.CONTEXT_TOO_LONG


def _cause(candidate: Candidate, windows: Sequence[int | None], is_cost_bound: bool) -> PassedOver | None:
    """Why an LLM that the run has not left cannot answer now.

    Args:
        candidate: The LLM.
        windows: Of the LLMs for which the conversation was too long.
        is_cost_bound: Whether it needs a known price.
    """
    name, llm = candidate.name, candidate.llm
    if llm is None:
        return passed_over(name, PassedOverReason.NOT_FOUND, "it does not exist")
    if not candidate.is_ready:
        return passed_over(name, PassedOverReason.NOT_READY, f"it is not ready: {llm.status.status_detail}")
    if candidate.trouble is not None:
        return passed_over(name, PassedOverReason.PROVIDER_DOWN, candidate.trouble.text)
    if any(not _is_larger(candidate.window, window) for window in windows):
        text = "the conversation was too long for another LLM, and its window is not known to be larger"
        return passed_over(name, PassedOverReason.WINDOW_NOT_LARGER, text)
    if is_cost_bound and not prices.has_price(llm):
        text = "limits.maxCost binds the run, and no price is known for it: set its prices"
        return passed_over(name, PassedOverReason.NO_PRICE, text)
    return None


def _tokens(run: TaskRun) -> int | None:
    return run.status.context.tokens if run.status.context is not None else None


def _fits(run: TaskRun, candidate: Candidate) -> bool:
    """Whether the conversation is not known to be too long for an LLM."""
    tokens = _tokens(run)
    return tokens is None or candidate.window is None or tokens < candidate.window


def _too_small(run: TaskRun, candidate: Candidate) -> PassedOver:
    text = f"the conversation has {_tokens(run)} tokens, and its window has {candidate.window}"
    return passed_over(candidate.name, PassedOverReason.WINDOW_NOT_LARGER, text)


def _is_larger(window: int | None, other: int | None) -> bool:
    return window is not None and other is not None and window > other
