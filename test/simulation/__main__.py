"""The command line of the simulation; see the package's docstring."""

from __future__ import annotations

import argparse
import os
import sys
import time

from test.simulation import explore, mutants
from test.simulation.oracles import differences
from test.simulation.plans import REFERENCE, parse
from test.simulation.scenarios import BY_NAME
from test.simulation.simulation import simulate

HASH_SEED = "0"
"""The order of sets of strings is part of what a seed decides."""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m test.simulation")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="all plans")
    run.add_argument("--seeds", type=int, default=1, help="how many permutations of each plan")
    run.add_argument("--first-seed", type=int, default=0)
    run.add_argument("--thin", type=int, default=1, help="take each n-th of all that is numbered")
    run.add_argument("--scenario", action="append", choices=list(BY_NAME), help="only these")
    replay = commands.add_parser("replay", help="one plan, with its story")
    replay.add_argument("scenario", choices=list(BY_NAME))
    replay.add_argument("plan")
    replay.add_argument("seed", type=int)
    commands.add_parser("mutants", help="see that broken variants of the code are caught")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> int:
    began_at = time.monotonic()
    names = arguments.scenario or list(BY_NAME)
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    plans, failures = explore.explore_all(names, seeds, thin=arguments.thin, tell=lambda line: print(line, flush=True))
    took = time.monotonic() - began_at
    print(f"{len(names)} scenarios, {arguments.seeds} seeds, {plans} plans, {len(failures)} failed, {took:.0f} s")
    return 1 if failures else 0


def _replay(arguments: argparse.Namespace) -> int:
    scenario, plan = BY_NAME[arguments.scenario], parse(arguments.plan)
    reference = simulate(scenario, REFERENCE, arguments.seed)
    outcome = simulate(scenario, plan, arguments.seed, with_story=True)
    print("\n".join(outcome.story))
    for number, point in enumerate(outcome.points):
        print(f"W {number:3} {point}" + ("   <- broken" if number == plan.at and plan.is_at_a_point else ""))
    found = differences(outcome, reference, plan)
    print("\n".join(found) or "everything holds")
    return 1 if found else 0


def _mutants() -> int:
    escaped = 0
    for mutant in mutants.ALL:
        failure, tried = mutants.catch(mutant)
        escaped += failure is None
        print(f"{mutant.name:16} {'ESCAPED' if failure is None else f'caught by plan {tried}: {failure.found[0]}'}")
    return 1 if escaped else 0


def main() -> int:
    """Do as the command line says."""
    if os.environ.get("PYTHONHASHSEED") != HASH_SEED:
        os.environ["PYTHONHASHSEED"] = HASH_SEED
        os.execv(sys.executable, [sys.executable, "-m", "test.simulation", *sys.argv[1:]])
    arguments = _arguments()
    match arguments.command:
        case "run":
            return _run(arguments)
        case "mutants":
            return _mutants()
        case _:
            return _replay(arguments)


if __name__ == "__main__":
    sys.exit(main())
