"""Lists: pages, versions, expiry."""

from __future__ import annotations

from packages.apiserver.conformance.cases.kinds import ALL_WIDGETS, CONFIG_MAPS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import PARTIAL, PARTIAL_LIST, Case, case, delete, get, post

_FIVE = tuple(
    post(WIDGETS, widget(f"l{i}", labels={"n": str(i), "all": ""}), quiet=True, save=f"l{i}") for i in range(5)
)
_MAPS = tuple(post(CONFIG_MAPS, config_map(f"m{i}"), quiet=True) for i in range(3))


def _list(name: str, query: str) -> Case:
    return case(name, *_FIVE[:2], get(f"{WIDGETS}?{query}"))


CASES = [
    case("an empty list", get(WIDGETS), get(f"{CONFIG_MAPS}?labelSelector=x")),
    case("in order of names", *reversed(_FIVE), get(WIDGETS, pick=("items", "metadata", "name"))),
    case("items of a built-in kind do not repeat their kind", *_MAPS, get(CONFIG_MAPS)),
    case(
        "three pages",
        *_FIVE,
        get(f"{WIDGETS}?limit=2", save="p1"),
        get(f"{WIDGETS}?limit=2&continue=$(p1.metadata.continue)", save="p2"),
        get(f"{WIDGETS}?limit=2&continue=$(p2.metadata.continue)"),
    ),
    case(
        "the pages of a built-in kind",
        *_MAPS,
        get(f"{CONFIG_MAPS}?limit=2", save="p1"),
        get(f"{CONFIG_MAPS}?limit=2&continue=$(p1.metadata.continue)"),
    ),
    case("a page with a selector does not say how many remain", *_FIVE, get(f"{WIDGETS}?limit=2&labelSelector=all")),
    case("a page as large as the list", *_FIVE, get(f"{WIDGETS}?limit=5", pick=("metadata",))),
    case(
        "a later page shows the list as it was",
        *_FIVE,
        get(f"{WIDGETS}?limit=2", save="p1", quiet=True),
        delete(f"{WIDGETS}/l4", quiet=True),
        post(WIDGETS, widget("l3a"), quiet=True),
        get(f"{WIDGETS}?continue=$(p1.metadata.continue)", pick=("items", "metadata", "name")),
    ),
    case(
        "a continue token and a version",
        *_FIVE,
        get(f"{WIDGETS}?limit=2", save="p1", quiet=True),
        get(f"{WIDGETS}?limit=2&resourceVersion=5&continue=$(p1.metadata.continue)"),
    ),
    case("a continue token and a match", get(f"{WIDGETS}?continue=abc&resourceVersionMatch=Exact&resourceVersion=5")),
    _list("a continue token that is none", "limit=2&continue=abc"),
    _list("a negative limit", "limit=-1"),
    _list("a limit that is no number", "limit=x"),
    # What is in it may be old, so it is not compared.
    case("version 0", get(f"{WIDGETS}?resourceVersion=0", pick=("kind",))),
    # Of the last write: what is as old as an earlier version may be without the objects.
    _list(
        "not older than a version", "resourceVersion=$(l1.metadata.resourceVersion)&resourceVersionMatch=NotOlderThan"
    ),
    _list("a version that is none", "resourceVersion=abc"),
    _list("a match without a version", "resourceVersionMatch=Exact"),
    _list("a match that does not exist", "resourceVersionMatch=Foo&resourceVersion=1"),
    _list("exactly version 0", "resourceVersionMatch=Exact&resourceVersion=0"),
    _list("initial events are not for lists", "sendInitialEvents=true"),
    case(
        "exactly a version",
        *_FIVE,
        delete(f"{WIDGETS}/l0", quiet=True),
        get(
            f"{WIDGETS}?resourceVersion=$(l2.metadata.resourceVersion)&resourceVersionMatch=Exact",
            pick=("items", "metadata", "name"),
        ),
    ),
    case("a version of the future", get(f"{WIDGETS}?resourceVersion=99999999"), mask=r"current: \d+"),
    case(
        "an object at a version",
        *_FIVE,
        get(f"{WIDGETS}/l1?resourceVersion=0", until=200),
        get(f"{WIDGETS}/l1?resourceVersion=abc"),
    ),
    case(
        "metadata only",
        *_FIVE[:2],
        get(WIDGETS, headers={"accept": PARTIAL_LIST}),
        get(f"{WIDGETS}/l1", headers={"accept": PARTIAL}),
    ),
    case(
        "metadata only, the wrong form",
        *_FIVE[:1],
        get(WIDGETS, headers={"accept": PARTIAL}),
        get(f"{WIDGETS}/l0", headers={"accept": PARTIAL_LIST}),
    ),
    case(
        "metadata of a built-in kind only, the wrong form",
        *_MAPS[:1],
        get(CONFIG_MAPS, headers={"accept": PARTIAL}),
        get(f"{CONFIG_MAPS}/m0", headers={"accept": PARTIAL_LIST}),
    ),
    case("a form that does not exist", get(WIDGETS, headers={"accept": "application/xml"})),
    case("a timeout", get(f"{ALL_WIDGETS}?timeoutSeconds=5&labelSelector=zzz")),
    case("an option that does not exist is ignored", get(f"{WIDGETS}?zzz=1")),
]
