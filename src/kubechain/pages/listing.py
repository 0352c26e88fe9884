"""The list of runs on the live page."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from markupsafe import Markup

from kubechain.api.taskrun import TaskRun
from kubechain.pages.rendering import Parts, environment, part
from kubechain.pages.wording import state_of
from kubechain.views.lines import Tone
from kubechain.views.telling import agent_name
from kubechain.views.wording import money

SHOWN = 500
"""The newest runs; a browser stays quick with that many."""


@dataclass(frozen=True, slots=True)
class Row:
    """One run in the list."""

    namespace: str
    name: str
    agent: str
    question: str
    state: str
    tone: Tone
    began: datetime | None
    tokens: int
    cost: str


def page() -> str:
    """The page without rows."""
    return environment().get_template("runs.html").render()


def parts(runs: Iterable[TaskRun], asking: Set[tuple[str, str]], now: datetime, note: str) -> Parts:
    """The rows, the newest run first.

    Args:
        asking: Namespace and name of the runs that wait for a person.
        note: What is not shown, and why.
    """
    found = sorted(runs, key=lambda run: (str(run.metadata.creation_timestamp), run.metadata.name), reverse=True)
    rows = {f"run-{row.namespace}.{row.name}": row for row in (_row(run, asking) for run in found[:SHOWN])}
    html: dict[str, Markup] = {id: _shown(id, row) for id, row in rows.items()}
    html["note"] = part("note", note, len(found), SHOWN)
    return Parts(html, {"rows": tuple(rows)})


@lru_cache(maxsize=2 * SHOWN)
def _shown(id: str, row: Row) -> Markup:
    """The row: of hundreds, a change of the list changes few."""
    return part("row", id, row)


def _row(run: TaskRun, asking: Set[tuple[str, str]]) -> Row:
    meta, status = run.metadata, run.status
    text, tone = state_of(status.phase, waits_for_people=(meta.namespace, meta.name) in asking)
    usage = status.usage
    return Row(
        namespace=meta.namespace,
        name=meta.name,
        agent=agent_name(run),
        question=status.user_msg_preview or run.spec.user_message or "",
        state=text,
        tone=tone,
        began=meta.creation_timestamp,
        tokens=usage.total_tokens if usage is not None else 0,
        cost=money(usage.cost) if usage is not None else "",
    )
