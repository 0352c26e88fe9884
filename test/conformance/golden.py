"""What kube-apiserver answered, kept in `golden/<area>.json`; one step of a case a line, so that changes can be read.

Read by the tests, written by `python -m test.conformance --record`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from test.conformance.steps import Json

FOLDER = Path(__file__).with_name("golden")
Outcomes = dict[str, list[Json]]
"""The outcomes of each case of an area, by name."""


@cache
def read(area: str) -> Outcomes:
    """Return what was recorded for an area; empty when nothing was."""
    path = FOLDER / f"{area}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def write(area: str, outcomes: Outcomes) -> None:
    """Replace what is recorded for an area."""
    cases = [f"{json.dumps(name)}: [\n{_steps(steps)}\n]" for name, steps in outcomes.items()]
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{area}.json").write_text("{\n" + ",\n".join(cases) + "\n}\n")


def _steps(steps: list[Json]) -> str:
    return ",\n".join(f" {json.dumps(step, separators=(',', ':'), sort_keys=True)}" for step in steps)


def differences(expected: Json, actual: Json, place: str = "") -> list[str]:
    """Say where two outcomes differ: one line for each place."""
    if expected == actual:
        return []
    match expected, actual:
        case dict(), dict():
            keys = sorted({*expected, *actual})
            return [
                line
                for key in keys
                for line in differences(expected.get(key, _ABSENT), actual.get(key, _ABSENT), f"{place}.{key}")
            ]
        case list(), list() if len(expected) == len(actual):
            pairs = zip(expected, actual, strict=True)
            return [line for i, (a, b) in enumerate(pairs) for line in differences(a, b, f"{place}[{i}]")]
        case _:
            return [f"{place}\n  kube-apiserver  {_shown(expected)}\n  this server     {_shown(actual)}"]


_ABSENT = "(absent)"


def _shown(value: Json) -> str:
    return str(value) if value is _ABSENT else json.dumps(value, sort_keys=True)[:1500]
