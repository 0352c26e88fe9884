"""Mutates answers as what they are: JSON, and streams of it. Bytes at random seldom get past the parser.

Pure: what becomes of an input depends on the seed alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, cast

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**53, 10**30, 1.5, 1e308),
    *("", " ", "0", "null", "{}", '{"a":', "\ud800", "\x00", "ä\u2028", "x" * 300, "data: x\n\n"),
    *([], {}, [[]], [None], {"": None}, {"type": "text", "text": "x"}),
)
"""In place of a value."""

Slot = tuple[Any, Any]
"""A container, and the key or index of a value in it."""


def mutated(body: bytes, seed: int, *, is_stream: bool) -> bytes:
    """Another body: one that is JSON where this one was."""
    random = Random(seed)
    try:
        return _stream(body, random) if is_stream else _document(body, random)
    except RecursionError:  # it became too deep
        return body


def _stream(body: bytes, random: Random) -> bytes:
    lines = body.split(b"\n")
    place = random.randrange(len(lines))
    match random.randrange(8):
        case 0:
            del lines[place]
        case 1:
            lines.insert(random.randrange(len(lines) + 1), lines[place])
        case 2:
            lines = lines[:place]
        case _:
            full = [place for place, line in enumerate(lines) if b"{" in line] or [place]
            place = random.choice(full)
            name, bracket, rest = lines[place].partition(b"{")
            lines[place] = name + _document(bracket + rest, random)
    return b"\n".join(lines)


def _document(body: bytes, random: Random) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    holder = [value]
    for _ in range(random.randint(1, 3)):
        slots = _slots(holder)
        container, key = random.choice(slots)
        random.choice(_WAYS)(container, key, slots, random)
    return json.dumps(holder[0] if holder else None).encode()


def _slots(value: object) -> list[Slot]:
    """Every value in a document, by where it is."""
    found, open_ = list[Slot](), list[Any]([value])
    while open_:
        container = open_.pop()
        is_list = isinstance(container, list)
        keys: list[Any] = list(range(len(cast("list[object]", container))) if is_list else container)
        found += [(container, key) for key in keys]
        open_ += [container[key] for key in keys if isinstance(container[key], dict | list)]
    return found


def _replace(container: Any, key: Any, slots: list[Slot], random: Random) -> None:
    del slots
    container[key] = json.loads(json.dumps(random.choice(JUNK)))


def _remove(container: Any, key: Any, slots: list[Slot], random: Random) -> None:
    """Leave a value out; the document itself becomes null."""
    del random
    if container is slots[0][0]:
        container[key] = None
    else:
        del container[key]


def _copy(container: Any, key: Any, slots: list[Slot], random: Random) -> None:
    """Put a value of another place here."""
    other, name = random.choice(slots)
    container[key] = json.loads(json.dumps(other[name]))


def _repeat(container: Any, key: Any, slots: list[Slot], random: Random) -> None:
    """Have an item of a list twice, a field under another name of the document."""
    value = json.loads(json.dumps(container[key]))
    if isinstance(container, list):
        cast("list[object]", container).insert(key, value)
    else:
        names = [name for _, name in slots if isinstance(name, str)]
        container[random.choice(names)] = value


def _wrap(container: Any, key: Any, slots: list[Slot], random: Random) -> None:
    """Put a value one level deeper, or write it as text."""
    del slots
    value = container[key]
    container[key] = random.choice(([value], {"value": value}, json.dumps(value), str(value)))


_WAYS: tuple[Callable[[Any, Any, list[Slot], Random], None], ...] = (_replace, _replace, _remove, _copy, _repeat, _wrap)
