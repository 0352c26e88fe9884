"""Label and field selectors."""

from __future__ import annotations

from urllib.parse import quote

from packages.apiserver.conformance.cases.kinds import CONFIG_MAPS, GADGETS, SECRETS, WIDGETS, config_map, widget
from packages.apiserver.conformance.steps import Case, case, get, post

_FIVE = tuple(
    post(
        WIDGETS,
        widget(
            f"l{i}",
            {"message": "x", "color": "red" if i % 2 else "green"},
            labels={"n": str(i), "even": str(i % 2 == 0)},
        ),
        quiet=True,
    )
    for i in range(4)
)


def _labels(selector: str) -> Case:
    return case(
        f"labels: {selector}",
        *_FIVE,
        get(f"{WIDGETS}?labelSelector={quote(selector)}", pick=("items", "metadata", "name")),
    )


def _bad_labels(selector: str) -> Case:
    return case(f"labels, refused: {selector}", get(f"{WIDGETS}?labelSelector={quote(selector)}"))


def _fields(selector: str) -> Case:
    return case(f"fields: {selector}", *_FIVE, get(f"{WIDGETS}?fieldSelector={quote(selector)}"))


CASES = [
    *map(
        _labels,
        (
            "n=1",
            "n==1",
            "n in (1,2)",
            "n notin (1,2)",
            "n",
            "!n",
            "n>2",
            "n<2",
            "even!=True",
            "even=True,n!=0",
            "a=",
            "other!=x",
            " n = 1 ",
        ),
    ),
    *map(_bad_labels, ("n in 1", ",", "n foo x", "-a=b", "n=-", "n>x", "=1", "n in (", "a b", "n in ()")),
    *map(
        _fields,
        (
            "metadata.name=l1",
            "metadata.name!=l1",
            "metadata.namespace=$ns",
            "metadata.namespace=other",
            "spec.color=green",
            "spec.color!=green",
            "metadata.name=l1,spec.color=red",
            "spec.nope=1",
            "foo",
            "metadata.uid=1",
            "metadata.name==l1",
        ),
    ),
    case(
        "fields of a built-in kind",
        post(SECRETS, {"metadata": {"name": "s"}}, quiet=True),
        get(f"{SECRETS}?fieldSelector=type%3DOpaque"),
        get(f"{SECRETS}?fieldSelector=type!%3DOpaque"),
        get(f"{SECRETS}?fieldSelector=zzz%3D1"),
    ),
    case(
        "fields of a ConfigMap",
        post(CONFIG_MAPS, config_map("a"), quiet=True),
        get(f"{CONFIG_MAPS}?fieldSelector=metadata.name%3Da"),
        get(f"{CONFIG_MAPS}?fieldSelector=data.a%3D1"),
    ),
    case("a namespace of a cluster-wide kind", get(f"{GADGETS}?fieldSelector=metadata.namespace%3Dx")),
    case(
        "of all namespaces",
        *_FIVE,
        get(f"{WIDGETS.replace('/namespaces/$ns', '')}?fieldSelector=metadata.namespace%3D$ns&labelSelector=n%3D1"),
    ),
]
