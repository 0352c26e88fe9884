"""How much work a JSON schema makes whose references multiply: bounds that are known before the work is begun. Pure.

The validator judges a value against a recursive schema in a time that grows with the value, since it remembers what it
has judged. Two things it does not bound. References that lead in a row to two copies of the next one are followed each
by itself: thirty lines are a billion schemas. And the list of errors has one for each way through the alternatives: two
alternatives that both refer to themselves make 2^n errors of a value of n levels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kubechain.net.schematree import children, items, mapping, references, target

Schema = Mapping[str, Any]

UNFOLDED_MAX = 100_000
"""Schemas that one may consist of once its references are followed; those of real tools are some hundreds."""

UNKNOWN_MAX = 30
"""References by the `$id` of a part of the schema, or to an anchor deep inside it, which are not followed here. So few
of them multiply to less than `UNFOLDED_MAX`: to 3^10 at most."""

ERRORS_WORK_MAX = 100_000
"""Steps of listing errors, about a microsecond each."""

PAIRS_MAX = 20_000
"""Parts of a schema times parts of a value for which the steps are counted."""

_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies"})
"""Keywords whose schemas are about the same value, not about a part of it."""


def unfolded(root: Schema) -> int:
    """How many schemas a schema consists of once its references are followed, as far as they are not recursive.

    Returns:
        The number, or one above `UNFOLDED_MAX`.
    """
    if sum(target(root, one) is None for one in _all_references(root)) > UNKNOWN_MAX:
        return UNFOLDED_MAX + 1
    return _Unfolding(root).size(root)


def _all_references(value: object) -> Iterator[str]:
    """The references anywhere in a document, also in definitions."""
    yield from references(mapping(value))
    for part in (*mapping(value).values(), *items(value)):
        yield from _all_references(part)


@dataclass(slots=True)
class _Unfolding:
    """Counts. A reference that leads back to itself, over others or not, counts as one schema.

    Attributes:
        sizes: By the reference that leads there.
        leads_to: The references in what a reference leads to, by that reference.
    """

    root: Schema
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    leads_to: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def size(self, schema: Schema) -> int:
        """The schema, those inside it and those that it refers to."""
        inside = sum(self.size(one) for _, one in children(schema))
        return min(1 + inside + sum(map(self._referred, references(schema))), UNFOLDED_MAX + 1)

    def _referred(self, reference: str) -> int:
        if reference not in self.sizes:
            referred = target(self.root, reference)
            is_leaf = referred is None or self._is_recursive(reference)
            self.sizes[reference] = 1 if is_leaf or referred is None else self.size(referred)
        return self.sizes[reference]

    def _is_recursive(self, reference: str) -> bool:
        """Whether what a reference leads to refers to it again."""
        seen, ahead = set[str](), [reference]
        while ahead:
            for one in self._references_behind(ahead.pop()):
                if one == reference:
                    return True
                if one not in seen:
                    seen.add(one)
                    ahead.append(one)
        return False

    def _references_behind(self, reference: str) -> frozenset[str]:
        if reference not in self.leads_to:
            referred = target(self.root, reference)
            self.leads_to[reference] = frozenset(_references(referred)) if referred is not None else frozenset()
        return self.leads_to[reference]


def _references(schema: Schema) -> Iterator[str]:
    yield from references(schema)
    for _, one in children(schema):
        yield from _references(one)


def lists_errors_soon(root: Schema, value: object) -> bool:
    """Whether all errors of a value can be listed in about a tenth of a second."""
    try:
        return _Listing(root).steps(root, value) <= ERRORS_WORK_MAX
    except (_TooMany, RecursionError):
        return False


class _TooMany(Exception):
    """Raised when even the counting takes too long, or when it is not known what is to be counted."""


@dataclass(slots=True)
class _Listing:
    """Counts the pairs of a schema and a part of the value that are looked at, each as often as it is."""

    root: Schema
    known: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])

    def steps(self, schema: Schema, value: object) -> int:
        """The steps of one pair and of all that it leads to, up to one above the limit."""
        pair = (id(schema), id(value))
        if pair not in self.known:
            if len(self.known) >= PAIRS_MAX:
                raise _TooMany
            self.known[pair] = 1  # a reference that leads back here without a step into the value ends here
            self.known[pair] = min(1 + self._below(schema, value), ERRORS_WORK_MAX + 1)
        return self.known[pair]

    def _below(self, schema: Schema, value: object) -> int:
        found = sum(self.steps(self._referred(one), value) for one in references(schema))
        for way, one in children(schema):
            found += sum(self.steps(one, part) for part in _parts(str(way[0]), way[-1], value))
        return found

    def _referred(self, reference: str) -> Schema:
        referred = target(self.root, reference)
        if referred is None:
            raise _TooMany
        return referred


def _parts(keyword: str, place: str | int, value: object) -> Iterator[object]:
    """The parts of a value that a schema under a keyword is about; too many rather than too few."""
    if keyword in _IN_PLACE:
        yield value
    elif keyword == "properties":
        yield from (part for name, part in mapping(value).items() if name == place)
    elif mapping(value):
        yield from mapping(value).values()
    else:
        yield from items(value)
