"""What to do about an LLM: pure, complete by type check."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.controllers.llm.observe import Observed


@dataclass(frozen=True, slots=True)
class Refuse:
    """The spec cannot work as long as neither it nor the Secret changes."""

    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """Ask the provider, by a request that costs nothing.

    Attributes:
        attempt: 1 for the first question about this version, more while there is no verdict.
    """

    attempt: int


@dataclass(frozen=True, slots=True)
class Rest:
    """The last verdict stands."""

    requeue_after_seconds: float | None = None


Step = Refuse | Check | Rest


def decide(observed: Observed) -> Step:
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
        return Rest()
    if checked.recheck_at <= observed.monotonic_now:
        return Check(attempt=checked.attempt + 1)
    return Rest(requeue_after_seconds=checked.recheck_at - observed.monotonic_now)
