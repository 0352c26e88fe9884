"""What to do about an LLM: pure, complete by type check."""

from __future__ import annotations

from kubechain.api import conditions
from kubechain.api.llm import LLM, LLMProvider, LLMSpec
from kubechain.api.meta import StatusType
from kubechain.controllers.frame import Done, soonest
from kubechain.controllers.llm import fallbacks
from kubechain.controllers.llm.observe import Observed
from kubechain.controllers.llm.steps import Check, Refuse, Step, TellCircuit, TellFallbacks


def _may_be_without_key(spec: LLMSpec) -> bool:
    """Whether there is something to ask without a Secret: a server of one's own, or the manager's identity."""
    return spec.parameters.base_url is not None or spec.provider in (LLMProvider.VERTEX, LLMProvider.BEDROCK)


def is_open_told(llm: LLM) -> bool:
    """Whether the status says that the circuit is open."""
    return conditions.is_true(llm.status.conditions, conditions.CIRCUIT_OPEN)


def decide(observed: Observed) -> Step | Done:
    """The next step for one LLM."""
    if wrong := fallbacks.wrong(observed.llm):
        return Refuse(wrong)
    if fallbacks.is_news(observed.llm, observed.fallback_troubles):
        return TellFallbacks(observed.fallback_troubles)
    source = observed.llm.spec.api_key_from
    if source is None and not _may_be_without_key(observed.llm.spec):
        return Refuse("spec.apiKeyFrom is required unless spec.parameters.baseUrl names a server that needs no key")
    if source is not None and observed.secret_version is None:
        return Refuse(f'Secret "{source.secret_key_ref.name}" not found', observed.look_again_seconds)
    if is_open_told(observed.llm) != (observed.open_circuit is not None):
        return TellCircuit(observed.open_circuit)
    checked, report = observed.checked, observed.report
    if checked is None or checked.fingerprint != observed.fingerprint:
        return Check(attempt=1)  # what a run reported may be of the key or the spec of before
    if report is not None and report.generation == observed.llm.metadata.generation:
        return Check(attempt=1, report=report)
    look_again_seconds = observed.look_again_seconds if observed.llm.status.status == StatusType.ERROR else None
    if checked.recheck_at is None:
        return Done(look_again_seconds)
    if checked.recheck_at <= observed.monotonic_now:
        return Check(attempt=checked.attempt + 1)
    return Done(soonest(checked.recheck_at - observed.monotonic_now, look_again_seconds))
