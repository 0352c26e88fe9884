"""The LLMs that name another one as a fallback: who depends on them depends on that one, too.

Used by the control loops of LLMs (which keep the index), Agents and TaskRuns.
"""

from __future__ import annotations

from kubechain.api.llm import LLM
from kubechain.runtime.store import Lister

BY_FALLBACK = "llms-by-fallback"


def fallback_index(llm: LLM) -> list[str]:
    """The fallbacks of an LLM."""
    return sorted({f"{llm.metadata.namespace}/{one.name}" for one in llm.spec.fallbacks})


def users_of(llms: Lister[LLM], llm: LLM) -> list[LLM]:
    """The LLMs that have this one as a fallback."""
    return list(llms.by_index(BY_FALLBACK, f"{llm.metadata.namespace}/{llm.metadata.name}"))
