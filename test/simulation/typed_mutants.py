"""Mutants of typed answers: each must be caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from kubechain.api.taskrun import TaskRun
from kubechain.controllers.frame import Settled
from kubechain.controllers.taskrun import typed
from kubechain.llm.client import Completion
from kubechain.tools import typedanswers
from test.simulation.mutant import Mutant


def _unvalidated(run: TaskRun, completion: Completion) -> dict[str, Any] | typedanswers.NoMatch | None:
    """Whatever JSON the model wrote is the result."""
    has_schema = run.status.pinned is not None and run.status.pinned.output_schema is not None
    return typedanswers.parse(completion.message.content, {}) if has_schema else None


def _untyped(run: TaskRun, completion: Completion) -> None:
    """The text is taken as the answer, whatever it says."""
    del run, completion


_mismatched = typed.mismatched


def _uncounted(run: TaskRun, *args: Any, **more: Any) -> Settled:
    """Every answer that does not match is the first one."""
    return _mismatched(run.with_status(mismatch_count=0), *args, **more)


def _unexplained(run: TaskRun, *args: Any, transcript: Any, **more: Any) -> Settled:
    """The model is asked again, and does not read why."""
    settled = _mismatched(run, *args, transcript=transcript, **more)
    return replace(settled, status={**settled.status, **transcript.status()})


ALL: tuple[Mutant, ...] = (
    Mutant("result-unvalidated", ((typed, "result_of", _unvalidated),), "typed-wrong"),
    Mutant("answer-untyped", ((typed, "result_of", _untyped),), "typed-corrected"),
    Mutant("mismatches-not-counted", ((typed, "mismatched", _uncounted),), "typed-wrong"),
    Mutant("asked-again-for-ever", ((typed, "ASKED_AGAIN_MAX", 1_000),), "typed-wrong"),
    Mutant("asked-again-without-reason", ((typed, "mismatched", _unexplained),), "typed-wrong"),
)
