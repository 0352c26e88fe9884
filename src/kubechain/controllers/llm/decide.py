"""What to do about an LLM: pure, complete by type check."""

from __future__ import annotations

from kubechain.controllers.frame import Done
from kubechain.controllers.llm.observe import Observed
from kubechain.controllers.llm.steps import Check, Refuse, Step


def decide(observed: Observed) -> Step | Done:
    """The next step for one LLM."""
    source = observed.llm.spec.api_key_from
    if source is None and observed.llm.spec.parameters.base_url is None:
        return Refuse("spec.apiKeyFrom is required unless spec.parameters.baseUrl names a server that needs no key")
    if source is not None and observed.secret_version is None:
        return Refuse(f'Secret "{source.secret_key_ref.name}" not found')
    checked = observed.checked
    if checked is None or checked.fingerprint != observed.fingerprint:
        return Check(attempt=1)
    if checked.recheck_at is None:
        return Done()
    if checked.recheck_at <= observed.monotonic_now:
        return Check(attempt=checked.attempt + 1)
    return Done(requeue_after_seconds=checked.recheck_at - observed.monotonic_now)
