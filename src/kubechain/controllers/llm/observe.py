"""All that is known about an LLM before anything is decided."""

from __future__ import annotations

from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.controllers.secrets import SecretReader


@dataclass(frozen=True, slots=True)
class Checked:
    """Which version of an LLM the provider was last asked about, and what came of it.

    Kept in memory only: after a restart the free request is made again, and writes nothing when nothing changed.

    Attributes:
        fingerprint: Generation of the LLM and version of its Secret.
        recheck_at: Monotonic time of the next look, None when only a change can bring news.
        attempt: How many times in a row the provider gave no verdict.
    """

    fingerprint: str
    recheck_at: float | None = None
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """An LLM with its Secret's version and the last check of it."""

    llm: LLM
    secret_version: str | None
    checked: Checked | None
    monotonic_now: float

    @property
    def fingerprint(self) -> str:
        """Changes whenever the provider's answer could."""
        return f"{self.llm.metadata.uid}/{self.llm.metadata.generation}/{self.secret_version}"


def observe(llm: LLM, secrets: SecretReader, checked: Checked | None, monotonic_now: float) -> Observed:
    """Gather what `decide` needs; no request is made."""
    version = None
    if llm.spec.api_key_from is not None:
        version = secrets.version(llm.metadata.namespace, llm.spec.api_key_from.secret_key_ref.name)
    return Observed(llm=llm, secret_version=version, checked=checked, monotonic_now=monotonic_now)
