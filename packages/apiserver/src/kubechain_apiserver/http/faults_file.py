"""Reads the file of `kubechain dev --faults`, which docs/api-server.md describes.

Unknown keys and values are errors: a fault that a typing error disables would go unnoticed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, cast

import yaml

from kubechain_apiserver.http.faults import (
    Delay,
    DropWatch,
    Effect,
    Expire,
    Faults,
    LoseReply,
    LoseRequest,
    Refuse,
    Rule,
)

Json = Mapping[str, Any]


class FaultsFileError(ValueError):
    """Raised for an invalid file; the message names the place."""


def read(path: Path) -> Faults:
    """Read faults from a file.

    Raises:
        FaultsFileError: The file cannot be read, or a key or value is invalid.
    """
    try:
        document = yaml.safe_load(path.read_text())
        return _faults(document)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, FaultsFileError) as error:
        raise FaultsFileError(f"faults: {path}: {error}") from error


def _faults(document: Any) -> Faults:
    top = _mapping(document, "the file", {"seed", "rules"})
    rules, seed = top.get("rules"), top.get("seed", 0)
    if not isinstance(rules, list) or not isinstance(seed, int):
        raise FaultsFileError("a list of rules is needed, and the seed must be an integer")
    found = cast("list[Any]", rules)
    return Faults([_rule(rule, f"rules[{index}]") for index, rule in enumerate(found)], seed=seed)


def _rule(document: Any, place: str) -> Rule:
    known = {"verbs", "resources", "namespaces", "probability", "limit", "retryAfterSeconds"}
    rule = _mapping(document, place, {*known, *_EFFECTS})
    named = [key for key in rule if key in _EFFECTS]
    if len(named) != 1:
        raise FaultsFileError(f"{place}: exactly one of {', '.join(_EFFECTS)} is needed")
    effect = _EFFECTS[named[0]](rule[named[0]], f"{place}.{named[0]}")
    wait = rule.get("retryAfterSeconds")
    if wait is not None:
        if not isinstance(effect, Refuse) or not isinstance(wait, int):
            raise FaultsFileError(f"{place}.retryAfterSeconds: an integer, and only with error")
        effect = Refuse(effect.status, wait)
    return Rule(
        effect,
        verbs=_names(rule, "verbs", place),
        resources=_names(rule, "resources", place),
        namespaces=_names(rule, "namespaces", place),
        probability=_probability(rule.get("probability", 1.0), place),
        limit=_limit(rule.get("limit"), place),
    )


def _mapping(document: Any, place: str, known: set[str]) -> Json:
    if not isinstance(document, dict):
        raise FaultsFileError(f"{place}: it is not a mapping")
    mapping = cast("dict[str, Any]", document)
    unknown = sorted(str(key) for key in mapping if key not in known)
    if unknown:
        raise FaultsFileError(f"{place}: unknown: {', '.join(unknown)}")
    return mapping


def _names(rule: Json, key: str, place: str) -> frozenset[str]:
    value = cast("list[Any]", rule.get(key, []))
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise FaultsFileError(f"{place}.{key}: a list of names is needed")
    return frozenset(value)


def _probability(value: Any, place: str) -> float:
    if isinstance(value, (int, float)) and 0 <= value <= 1:
        return float(value)
    raise FaultsFileError(f"{place}.probability: a number from 0 to 1 is needed")


def _limit(value: Any, place: str) -> int | None:
    if value is None or (isinstance(value, int) and value > 0):
        return value
    raise FaultsFileError(f"{place}.limit: a positive integer is needed")


def _status(value: Any, place: str) -> Effect:
    if isinstance(value, int) and 400 <= value < 600:
        return Refuse(value)
    raise FaultsFileError(f"{place}: an HTTP status from 400 to 599 is needed")


def _span(value: Any, place: str) -> tuple[float, float]:
    """Return a range; a single number is both ends."""
    pair = cast("list[Any]", value if isinstance(value, list) else [value, value])
    if len(pair) == 2 and all(isinstance(item, (int, float)) for item in pair) and 0 <= pair[0] <= pair[1]:
        return float(pair[0]), float(pair[1])
    raise FaultsFileError(f"{place}: a number of seconds, or [least, most], is needed")


def _switch(effect: Effect) -> Callable[[Any, str], Effect]:
    def chosen(value: Any, place: str) -> Effect:
        if value is True:
            return effect
        raise FaultsFileError(f"{place}: only true has a meaning")

    return chosen


_EFFECTS: Final[Mapping[str, Callable[[Any, str], Effect]]] = {
    "delaySeconds": lambda value, place: Delay(*_span(value, place)),
    "error": _status,
    "expired": _switch(Expire()),
    "loseReply": _switch(LoseReply()),
    "loseRequest": _switch(LoseRequest()),
    "dropWatchAfterSeconds": lambda value, place: DropWatch(*_span(value, place)),
}
"""Parser of each fault, by key."""
