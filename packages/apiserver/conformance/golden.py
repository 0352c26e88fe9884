"""What kube-apiserver answered, kept in `golden/<area>.json`; one step of a case a line, so that changes can be read.

Read by the tests, written by `python -m packages.apiserver.conformance --record`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import cast

from packages.apiserver.conformance.steps import Json

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
        case {"status": int() as code}, {"status": int() as other} if code != other:
            return [_line(f"{place}.status", _gist(expected), _gist(actual))]
        case dict(), dict():
            return _in_mappings(cast("dict[str, Json]", expected), cast("dict[str, Json]", actual), place)
        case list(), list() if _length(expected) == _length(actual):
            pairs = zip(cast("list[Json]", expected), cast("list[Json]", actual), strict=True)
            return [line for i, (a, b) in enumerate(pairs) for line in differences(a, b, f"{place}[{i}]")]
        case _:
            return [_line(place, _shown(expected), _shown(actual))]


_ABSENT = "(absent)"


def _line(place: str, expected: str, actual: str) -> str:
    return f"{place}\n    kube-apiserver  {expected}\n    this server     {actual}"


def _in_mappings(expected: dict[str, Json], actual: dict[str, Json], place: str) -> list[str]:
    pairs = {key: (expected.get(key, _ABSENT), actual.get(key, _ABSENT)) for key in sorted({*expected, *actual})}
    return [line for key, (a, b) in pairs.items() for line in differences(a, b, f"{place}.{key}")]


def _length(value: Json) -> int:
    return len(value)


def _gist(outcome: Json) -> str:
    """The status of a reply, and the message that goes with it: where those differ, all the rest does."""
    body: Json = outcome.get("body")
    if isinstance(body, dict):
        fields = cast("dict[str, Json]", body)
        body = fields.get("message", fields.get("kind"))
    return f"{outcome['status']} {body}"


def _shown(value: Json) -> str:
    return str(value) if value is _ABSENT else json.dumps(value, sort_keys=True)[:1500]
