"""An LLM, the version of its Secret, and the last check."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.api.meta import StatusType
from kubechain.controllers.checks import Checked, Report
from kubechain.controllers.llm import fallbacks
from kubechain.controllers.secrets import SecretReader
from kubechain.runtime.store import Lister


@dataclass(frozen=True, slots=True)
class Observed:
    """An LLM with its Secret's version, the last check of it, and what a run found since.

    Attributes:
        look_again_seconds: When an LLM that is refused looks at its Secret again; None where a watch tells of changes.
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
    look_again_seconds: float | None = None

    @property
    def fingerprint(self) -> str:
        """Changes whenever the provider's answer could."""
        return f"{self.llm.metadata.uid}/{self.llm.metadata.generation}/{self.secret_version}"


async def observe(
    llm: LLM,
    secrets: SecretReader,
    checked: Checked | None,
    monotonic_now: float,
    report: Report | None = None,
    *,
    open_circuit: str | None = None,
    others: Lister[LLM] | None = None,
) -> Observed:
    """Gather what `decide` needs; no request is made but for a Secret that is not watched."""
    version = look_again_seconds = None
    if llm.spec.api_key_from is not None:
        namespace, name = llm.metadata.namespace, llm.spec.api_key_from.secret_key_ref.name
        is_refused = llm.status.status == StatusType.ERROR
        version = await secrets.version(namespace, name, is_unusable=is_refused)
        look_again_seconds = secrets.look_again_seconds(namespace, name)
    return Observed(
        llm=llm,
        secret_version=version,
        checked=checked,
        monotonic_now=monotonic_now,
        report=report,
        open_circuit=open_circuit,
        look_again_seconds=look_again_seconds,
        fallback_troubles=tuple(_fallback_troubles(llm, others)) if others is not None else (),
    )


def _fallback_troubles(llm: LLM, llms: Lister[LLM]) -> Iterator[str]:
    for one in llm.spec.fallbacks:
        if (trouble := fallbacks.trouble(one.name, llms.get(llm.metadata.namespace, one.name))) is not None:
            yield trouble
