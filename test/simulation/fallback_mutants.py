"""Ways to use fallbacks that break the protocol: each must be caught."""

from __future__ import annotations

from typing import Any

from kubechain.api.fallbacks import PassedOverReason
from kubechain.api.taskrun import LLMClaim, TaskRun
from kubechain.controllers.frame import Settled
from kubechain.controllers.taskrun import effects, fallbacks, passing, turning
from kubechain.controllers.taskrun.outcomes import Answered, Refused
from test.simulation.mutant import Mutant

_ask = effects.ModelCaller.ask


async def _ask_the_next_at_once(
    self: effects.ModelCaller, run: TaskRun, llm: Any, offers: Any, claim: LLMClaim, *, left_seconds: float | None
) -> Any:
    """A failed call is made again at the fallback, under the claim on the first."""
    outcome = await _ask(self, run, llm, offers, claim, left_seconds=left_seconds)
    if isinstance(outcome, Answered):
        return outcome
    other = llm.model_copy(update={"metadata": llm.metadata.with_changes(name="spare")})
    return await _ask(self, run, other, offers, claim, left_seconds=left_seconds)


_claim_for = effects.claim_for


def _claim_nobody(run: TaskRun, **options: Any) -> LLMClaim:
    """The claim does not say which LLM is called."""
    return _claim_for(run, **options).with_changes(llm_name=None, passed_over=())


def _claim_without_causes(run: TaskRun, **options: Any) -> LLMClaim:
    """The claim does not say who is passed over."""
    return _claim_for(run, **options).with_changes(passed_over=())


_cause = turning._cause  # pyright: ignore[reportPrivateUsage]


def _whatever_fails(claim: LLMClaim, name: str, outcome: Any, candidates: Any) -> Any:
    """Another LLM may take what this one refuses."""
    if isinstance(outcome, Refused):
        return fallbacks.passed_over(name, PassedOverReason.SETTINGS_REFUSED, outcome.message)
    return _cause(claim, name, outcome, candidates)


def _record_nothing(run: TaskRun, model: str) -> Settled:
    """Nobody needs to know who answered."""
    del run, model
    return Settled()


ALL: tuple[Mutant, ...] = (
    Mutant("fallback-without-claim", ((effects.ModelCaller, "ask", _ask_the_next_at_once),), "fallback"),
    Mutant("fallback-not-named", ((effects, "claim_for", _claim_nobody),), "fallback-and-back"),
    Mutant("passed-over-not-recorded", ((effects, "claim_for", _claim_without_causes),), "fallback"),
    Mutant("fallback-after-wrong-request", ((turning, "_cause", _whatever_fails),), "fallback-refused"),
    Mutant("answer-by-nobody", ((passing, "answered", _record_nothing),), "fallback"),
)
