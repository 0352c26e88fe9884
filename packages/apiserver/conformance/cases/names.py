"""generateName."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, WIDGETS, widget
from packages.apiserver.conformance.steps import case, post


def _generated(prefix: str, **metadata: str) -> dict[str, object]:
    return {**widget("x"), "metadata": {"generateName": prefix, **metadata}}


CASES = [
    case("a name is made from the prefix", post(WIDGETS, _generated("g-"))),
    case("a prefix that is no name", post(WIDGETS, _generated("G-")), mask=r"G-[a-z0-9]{5}"),
    case("a prefix that is too long is cut", post(WIDGETS, _generated("g" * 70)), mask=r"g{58}[a-z0-9]{5}"),
    case("a name wins over a prefix", post(WIDGETS, _generated("g-", name="mine"))),
    case("of a ConfigMap", post(CONFIG_MAPS, {"metadata": {"generateName": "c-"}})),
    case("in a dry run", post(f"{WIDGETS}?dryRun=All", _generated("g-"))),
    case("an empty prefix", post(WIDGETS, _generated(""))),
]
