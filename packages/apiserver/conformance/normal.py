"""Takes out of replies what differs from run to run, and keeps what it means.

UIDs and resourceVersions become `uid1` and `rv1`, numbered within a case, so that equality and order are still
compared; times, generated names, ports and continue tokens become words. Called by `runner`; pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, cast

from packages.apiserver.conformance.steps import Json

_UID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
_TIME = re.compile(r"\b20[2-9][1-9]-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)")
"""Times of today. The cases' own lie in 2020 and earlier, and are compared."""
_HOST = re.compile(r"https://127\.0\.0\.1:\d+")
_ABOUT_VERSIONS = re.compile(r"resource ?version", re.IGNORECASE)
_REVISION = re.compile(r"\b\d+\b")


def normalised(outcomes: Sequence[Json], *, namespace: str, seen: Sequence[Json] = (), mask: str = "") -> list[Json]:
    """Return the outcomes of one case in the form in which they are compared.

    Args:
        seen: Replies that are not compared, but whose versions and names the others may tell of.
    """
    return _Names(outcomes, namespace, seen, mask).outcomes


class _Names:
    """The replacements of one case."""

    def __init__(self, outcomes: Sequence[Json], namespace: str, seen: Sequence[Json], mask: str) -> None:
        self._namespace = namespace
        self._mask = re.compile(mask) if mask else None
        self._uids: dict[str, str] = {}
        objects = [obj for outcome in (*outcomes, *seen) for obj in _objects(outcome)]
        revisions = sorted({int(obj["resourceVersion"]) for obj in objects if obj.get("resourceVersion", "").isdigit()})
        self._revisions = {str(revision): f"rv{index}" for index, revision in enumerate(revisions, 1)}
        self._generated = {
            obj["name"]: f"{obj['generateName']}XXXXX"
            for obj in objects
            if obj.get("generateName") and str(obj["name"]).startswith(obj["generateName"])
        }
        self.outcomes = [self._value(outcome) for outcome in outcomes]

    def _value(self, value: Json) -> Json:
        match value:
            case dict():
                return self._mapping(cast("dict[str, Json]", value))
            case list():
                return [self._value(item) for item in cast("list[Json]", value)]
            case str():
                return self._text(value)
            case _:
                return value

    def _mapping(self, value: dict[str, Json]) -> dict[str, Json]:
        made = {self._text(key): self._value(item) for key, item in value.items()}
        version = value.get("resourceVersion")
        if isinstance(version, str) and version.isdigit():
            # Of lists and bookmarks: any later revision of the server is right.
            made["resourceVersion"] = self._revisions.get(version, "rv") if "uid" in value else "rv"
        if isinstance(value.get("managedFields"), list):
            # Their order depends on whether a second has passed in between, and so does whether all have a time.
            for entry in made["managedFields"]:
                entry.pop("time", None)
            made["managedFields"].sort(key=_sort_key)
        if value.get("continue"):
            made["continue"] = "CONTINUE"
        if isinstance(value.get("resources"), list):
            # Discovery: kube-apiserver walks through a map of definitions, whose order changes.
            made["resources"].sort(key=_sort_key)
        if value.get("kind") == "Status":
            _sort_causes(made)
        return made

    def _text(self, text: str) -> str:
        text = text.replace(self._namespace, "NS")
        if self._mask:
            text = self._mask.sub("*", text)
        for name, word in self._generated.items():
            text = text.replace(name, word)
        text = _UID.sub(self._uid, text)
        text = _TIME.sub(lambda found: "MICROTIME" if found[1] else "TIME", text)
        if _ABOUT_VERSIONS.search(text):
            text = _REVISION.sub(lambda found: self._revisions.get(found[0], found[0]), text)
        return _HOST.sub("HOST", text)

    def _uid(self, found: re.Match[str]) -> str:
        return self._uids.setdefault(found[0], f"uid{len(self._uids) + 1}")


def _sort_key(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _objects(value: Json) -> Iterator[dict[str, Any]]:
    """Yield the metadata of every object in a reply."""
    match value:
        case {"uid": str(), "name": str(), "creationTimestamp": _}:
            yield cast("dict[str, Any]", value)
        case dict():
            for item in cast("dict[str, Json]", value).values():
                yield from _objects(item)
        case list():
            for item in cast("list[Json]", value):
                yield from _objects(item)
        case _:
            return


def _sort_causes(status: dict[str, Json]) -> None:
    """Put the causes of a refusal in order: kube-apiserver walks through maps, whose order changes."""
    causes: list[dict[str, str]] = status.get("details", {}).get("causes") or []
    head, bracket, rest = str(status.get("message", "")).partition(": [")
    if len(causes) < 2 or not bracket:
        return
    causes.sort(key=_sort_key)
    lines = list(dict.fromkeys(f"{cause.get('field', '')}: {cause['message']}" for cause in causes))
    if all(line in rest for line in lines):
        status["message"] = f"{head}: [{', '.join(lines)}]"


def plain_output(text: str) -> str:
    """Return kubectl's output without ages and versions, and without the widths of columns that follow from them."""
    text = re.sub(r"(resource ?version\W+)\d+", r"\1rv", text, flags=re.IGNORECASE)
    text = re.sub(r"(?<![\w.-])\d+(?:ms|s|m|h|d)(?:\d+[smh])?(?![\w.-])", "AGE", text)
    return re.sub(r" {2,}", "  ", text)
