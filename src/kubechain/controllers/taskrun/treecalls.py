"""Model calls under way in trees of runs with limits: one that could take its tree past a limit, with those, waits.

A limit is checked before each call against what was spent. Runs side by side would all pass that check while none of
their answers is counted, and together exceed the limit many times. So a call begins only if the limit holds even where
each call under way costs as much as it can: a limit is exceeded by one answer at most. Far from a limit nothing waits.

This is in memory and nothing depends on it: after a restart no call is under way. Another manager counts its own calls.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from kubechain.api.llm import LLM
from kubechain.api.usage import Usage
from kubechain.controllers.taskrun import budgets, contextsize
from kubechain.controllers.taskrun.budgets import LimitField, Use
from kubechain.controllers.taskrun.conversation import Transcript
from kubechain.controllers.taskrun.observe import Observed
from kubechain.llm import prices
from kubechain.runtime.keys import Request

DEFAULT_ANSWER_TOKENS = 32_768
"""Most tokens of an answer where neither the LLM nor its provider limits them; few models write more."""

Limit = tuple[Request, LimitField]
"""The run that sets it, and what is limited."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a call may take of one limit, in tokens or millionths of a dollar.

    Attributes:
        left: What the limit leaves before the call.
        most: What the call costs at most.
    """

    limit: Limit
    left: int
    most: int

    @property
    def text(self) -> str:
        """What a run waits for that may not begin its call."""
        run, field = self.limit
        calls = f'model calls of other runs below TaskRun "{run.name}"'
        return f"Waiting for {calls}: with one more they could exceed its limits.{field}"


def shares(observed: Observed, llm: LLM) -> tuple[Share, ...]:
    """What the next call of a run may take of the limits of the runs above it.

    A run's own limits are not among them: the runs below it have ended when it calls its model.
    """
    limited = [use for use in budgets.of_runs_above(observed.budgets) if use.field in ("maxTokens", "maxCost")]
    if not limited:
        return ()
    most = _most(observed, llm)
    namespace = observed.run.metadata.namespace
    return tuple(
        Share((Request(namespace, use.budget.run), use.field), use.limit - use.spent, _cost(use, llm, most))
        for use in limited
    )


def _most(observed: Observed, llm: LLM) -> Usage:
    """The usage of the most expensive answer that the call may have."""
    context = observed.run.status.context
    known = context.tokens if context is not None else None
    sent = Transcript.of(observed.run).size_bytes // contextsize.BYTES_PER_TOKEN if known is None else known
    told = llm.status.model.max_output_tokens if llm.status.model else None
    written = llm.spec.parameters.max_tokens or told or DEFAULT_ANSWER_TOKENS
    return Usage(input_tokens=sent, output_tokens=written, total_tokens=sent + written, model_calls=1)


def _cost(use: Use, llm: LLM, most: Usage) -> int:
    return most.total_tokens if use.field == "maxTokens" else budgets.micro(prices.cost_of(llm, most) or 0)


class TreeCalls:
    """The calls under way, by the limits that bind them. For one process."""

    def __init__(self, wake: Callable[[Request], None]) -> None:
        """Start with none.

        Args:
            wake: Requests a reconcile of a run.
        """
        self._wake = wake
        self._under_way: dict[Limit, dict[Request, int]] = {}
        self._waiting: dict[Limit, dict[Request, None]] = {}

    def __len__(self) -> int:
        """Return how many limits have calls under way, or runs that wait."""
        return len(self._under_way.keys() | self._waiting.keys())

    @contextmanager
    def reserve(self, run: Request, parts: Sequence[Share]) -> Generator[bool]:
        """Count the call of a run inside, if it may begin: yields whether it may."""
        if self._refusing(run, parts) is not None:
            yield False
            return
        for part in parts:
            self._under_way.setdefault(part.limit, {})[run] = part.most
        try:
            yield True
        finally:
            self._end(run, parts)

    def wait(self, run: Request, parts: Sequence[Share]) -> str | None:
        """Have the run woken when a call ends; None where it may begin its call now.

        Returns:
            What it waits for.
        """
        refusing = self._refusing(run, parts)
        if refusing is None:
            return None
        self._waiting.setdefault(refusing.limit, {})[run] = None
        return refusing.text

    def _refusing(self, run: Request, parts: Iterable[Share]) -> Share | None:
        """The first limit that the calls of other runs could reach."""
        return next((part for part in parts if self._others(run, part.limit) >= part.left), None)

    def _others(self, run: Request, limit: Limit) -> int:
        return sum(most for other, most in self._under_way.get(limit, {}).items() if other != run)

    def _end(self, run: Request, parts: Iterable[Share]) -> None:
        for part in parts:
            calls = self._under_way[part.limit]
            del calls[run]
            if not calls:
                del self._under_way[part.limit]
            for waiting in self._waiting.pop(part.limit, ()):
                self._wake(waiting)
