"""An LLM, the version of its Secret, and the last check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.controllers.checks import Checked, Report
from kubechain.controllers.llm import fallbacks
from kubechain.controllers.secrets import SecretReader
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class Observed:
    """An LLM with its Secret's version, the last check of it, and what a run found since.

    Attributes:
        open_circuit: The failure for which runs wait instead of calling it; None for none.
        fallback_troubles: Why runs would pass over fallbacks of it, one sentence for each.
    """

    llm: LLM
    secret_version: str | None
    checked: Checked | None
    monotonic_now: float
    report: Report | None = None
    open_circuit: str | None = None
    fallback_troubles: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Changes whenever the provider's answer could."""
        return f"{self.llm.metadata.uid}/{self.llm.metadata.generation}/{self.secret_version}"


def observe(
    llm: LLM,
    secrets: SecretReader,
    checked: Checked | None,
    monotonic_now: float,
    report: Report | None = None,
    *,
    open_circuit: str | None = None,
    others: Lister[LLM] | None = None,
) -> Observed:
    """Gather what `decide` needs; no request is made."""
    version = None
    if llm.spec.api_key_from is not None:
        version = secrets.version(llm.metadata.namespace, llm.spec.api_key_from.secret_key_ref.name)
    return Observed(
        llm=llm,
        secret_version=version,
        checked=checked,
        monotonic_now=monotonic_now,
        report=report,
        open_circuit=open_circuit,
        fallback_troubles=tuple(_fallback_troubles(llm, others)) if others is not None else (),
    )


def _fallback_troubles(llm: LLM, llms: Lister[LLM]) -> Iterator[str]:
    for one in llm.spec.fallbacks:
        if (trouble := fallbacks.trouble(one.name, llms.get(llm.metadata.namespace, one.name))) is not None:
            yield trouble
