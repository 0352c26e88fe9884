"""Every plan of every scenario, on all cores: finds what no person would think of.

Used by `python -m test.simulation` and by the tests, which run a part of it.
"""

from __future__ import annotations

import os
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

from test.simulation.loop import Livelock
from test.simulation.oracles import differences
from test.simulation.plans import POINT_FAULTS, REFERENCE, Fault, Plan
from test.simulation.scenarios import BY_NAME, Scenario
from test.simulation.simulation import Outcome, simulate

STALE_STRIDE = 2
FREEZE_STRIDE = 5
"""Neighbouring revisions and steps mostly differ in nothing; W points are all broken."""

RANDOM_TIMES = 3
"""How often each fault that strikes at random is tried under each seed."""


@dataclass(frozen=True, slots=True, order=True)
class Case:
    """One run: all that it takes to repeat it."""

    scenario: str
    plan: Plan
    seed: int

    @property
    def command(self) -> str:
        """How a person repeats it."""
        return f"python -m test.simulation replay {self.scenario} {self.plan} {self.seed}"


@dataclass(frozen=True, slots=True)
class Failure:
    """A case in which something did not hold."""

    case: Case
    found: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.case.scenario} {self.case.plan}, seed {self.case.seed}:"]
        lines += [f"    {sentence}" for sentence in self.found[:6]]
        return "\n".join([*lines, f"    {self.case.command}"])


@dataclass(frozen=True, slots=True)
class Report:
    """What a part of the exploration came to."""

    plans: int
    failures: tuple[Failure, ...]


def plans_of(scenario: Scenario, reference: Outcome, *, seed: int, thin: int = 1) -> Iterator[Plan]:
    """All plans of a scenario: one for each W point and way to break it, and its random and timed faults.

    Args:
        seed: Other seeds take other steps and revisions, where not all are taken.
        thin: Takes each n-th of everything that is numbered.
    """
    first, last = reference.revisions
    for fault in POINT_FAULTS:
        yield from _each(fault, 0, len(reference.points), stride=thin, seed=seed)
    for fault in scenario.faults:
        match fault:
            case "stale" | "behind":
                yield from _each(fault, first, last, stride=STALE_STRIDE * thin, seed=seed)
            case "freeze" | "cut":
                yield from _each(fault, 1, reference.steps, stride=FREEZE_STRIDE * thin, seed=seed)
            case _:
                yield from _each(fault, 0, RANDOM_TIMES, stride=1, seed=0)


def _each(fault: Fault, first: int, last: int, *, stride: int, seed: int) -> Iterator[Plan]:
    return (Plan(fault, at) for at in range(first + seed % stride, last, stride))


def examine(case: Case, reference: Outcome) -> Failure | None:
    """Run one case, and compare it with the reference run of its seed."""
    try:
        outcome = simulate(BY_NAME[case.scenario], case.plan, case.seed)
    except Livelock as error:
        return Failure(case, (str(error),))
    except BaseException:  # a case that cannot be run is a finding like any other
        return Failure(case, (traceback.format_exc(limit=-6),))
    found = differences(outcome, reference, case.plan)
    return Failure(case, tuple(found)) if found else None


def explore(name: str, seed: int, thin: int) -> Report:
    """Run all plans of one scenario under one seed."""
    scenario = BY_NAME[name]
    reference = simulate(scenario, REFERENCE, seed)
    if reference.violations:
        return Report(1, (Failure(Case(name, REFERENCE, seed), reference.violations),))
    cases = [Case(name, plan, seed) for plan in plans_of(scenario, reference, seed=seed, thin=thin)]
    found = [examine(case, reference) for case in cases]
    return Report(1 + len(cases), tuple(failure for failure in found if failure is not None))


def explore_all(
    names: Sequence[str], seeds: Iterable[int], *, thin: int, tell: Callable[[str], None]
) -> tuple[int, list[Failure]]:
    """Run everything on all cores; returns how many plans there were, and what failed."""
    began_at, plans, failures = time.monotonic(), 0, list[Failure]()
    work = [(name, seed) for seed in seeds for name in names]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        running = [(name, seed, pool.submit(explore, name, seed, thin)) for name, seed in work]
        for name, seed, future in running:
            report = future.result()
            plans += report.plans
            failures += report.failures
            verdict = f"{len(report.failures)} FAILED" if report.failures else "ok"
            tell(f"{time.monotonic() - began_at:6.1f} s  {name:20} seed {seed:3}  {report.plans:4} plans  {verdict}")
            for failure in report.failures[:3]:
                tell(str(failure))
    return plans, failures
