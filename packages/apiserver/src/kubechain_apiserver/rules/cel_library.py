"""Kubernetes' CEL libraries: lists, sets, regular expressions, quantities, addresses, URLs, versions.

Quantities, addresses and the like are strings here, normalized so that equal values are equal strings; Go has types for
them. Functions raise an exception on failure.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import Any, Final, cast
from urllib.parse import SplitResult, parse_qs, urlsplit

from cel_expr_python import cel

from kubechain_apiserver.wire import goregexp

_ANY, _LIST, _TEXT = cel.Type.DYN, cel.Type.List(cel.Type.DYN), cel.Type.STRING
_TRUTH, _NUMBER, _FLOAT = cel.Type.BOOL, cel.Type.INT, cel.Type.DOUBLE
_QUERY: Final = cel.Type.Map(_TEXT, cel.Type.List(_TEXT))

_BINARY: Final = {f"{letter}i": 1024 ** (power + 1) for power, letter in enumerate("KMGTPE")}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_QUANTITY: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))((?:[KMGTPE]i)|[numkMGTPE]?|[eE][+-]?\d+)")
_SEMVER: Final = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]+)?"
)

Body = Callable[[Any], Any] | Callable[[Any, Any], Any] | Callable[[Any, Any, Any], Any]
"""Implementation of a function; the runtime has checked the argument types."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def functions() -> list[cel.FunctionDecl]:
    """Return the declarations of all functions."""
    return [*_of_lists(), *_of_texts(), *_of_quantities_and_versions(), *_of_addresses(), *_of_urls()]


def _of_lists() -> list[cel.FunctionDecl]:
    return [
        _methods("isSorted", _TRUTH, _is_sorted, (_LIST,)),
        _methods("sum", _ANY, sum, (_LIST,)),
        _methods("min", _ANY, min, (_LIST,)),
        _methods("max", _ANY, max, (_LIST,)),
        _methods("indexOf", _NUMBER, _index_of, (_LIST, _ANY)),
        _methods("lastIndexOf", _NUMBER, _last_index_of, (_LIST, _ANY)),
        _methods("slice", _LIST, _slice, (_LIST, _NUMBER, _NUMBER)),
        _methods("sort", _LIST, sorted, (_LIST,)),
        _methods("distinct", _LIST, _distinct, (_LIST,)),
        _methods("flatten", _LIST, _flatten, (_LIST,), (_LIST, _NUMBER)),
        _functions("lists.range", _LIST, lambda count: list(range(count)), (_NUMBER,)),
        _functions("sets.contains", _TRUTH, lambda one, other: all(item in one for item in other), (_LIST, _LIST)),
        _functions("sets.intersects", _TRUTH, lambda one, other: any(item in one for item in other), (_LIST, _LIST)),
        _functions("sets.equivalent", _TRUTH, _equivalent, (_LIST, _LIST)),
    ]


def _of_texts() -> list[cel.FunctionDecl]:
    return [
        _methods("find", _TEXT, _find, (_TEXT, _TEXT)),
        _methods("findAll", cel.Type.List(_TEXT), _find_all, (_TEXT, _TEXT), (_TEXT, _TEXT, _NUMBER)),
    ]


def _of_quantities_and_versions() -> list[cel.FunctionDecl]:
    return [
        _functions("isQuantity", _TRUTH, _holds(_quantity), (_TEXT,)),
        _functions("quantity", _TEXT, lambda text: _plain(_quantity(text)), (_TEXT,)),
        _functions("isSemver", _TRUTH, _holds(_checked_semver), (_TEXT,), (_TEXT, _TRUTH)),
        _functions("semver", _TEXT, _checked_semver, (_TEXT,), (_TEXT, _TRUTH)),
        _functions("sign", _NUMBER, lambda text: (Decimal(text) > 0) - (Decimal(text) < 0), (_TEXT,)),
        _methods("isInteger", _TRUTH, lambda text: Decimal(text) == int(Decimal(text)), (_TEXT,)),
        _methods("asInteger", _NUMBER, _as_integer, (_TEXT,)),
        _methods("asApproximateFloat", _FLOAT, float, (_TEXT,)),
        _methods(
            "add", _TEXT, lambda one, other: _plain(Decimal(one) + Decimal(other)), (_TEXT, _TEXT), (_TEXT, _NUMBER)
        ),
        _methods(
            "sub", _TEXT, lambda one, other: _plain(Decimal(one) - Decimal(other)), (_TEXT, _TEXT), (_TEXT, _NUMBER)
        ),
        _methods("compareTo", _NUMBER, _compare, (_TEXT, _TEXT)),
        _methods("isLessThan", _TRUTH, lambda one, other: _compare(one, other) < 0, (_TEXT, _TEXT)),
        _methods("isGreaterThan", _TRUTH, lambda one, other: _compare(one, other) > 0, (_TEXT, _TEXT)),
        _methods("major", _NUMBER, lambda text: _semver(text)[0][0], (_TEXT,)),
        _methods("minor", _NUMBER, lambda text: _semver(text)[0][1], (_TEXT,)),
        _methods("patch", _NUMBER, lambda text: _semver(text)[0][2], (_TEXT,)),
    ]


def _of_addresses() -> list[cel.FunctionDecl]:
    return [
        _functions("isIP", _TRUTH, _holds(_address), (_TEXT,)),
        _functions("ip", _TEXT, lambda text: str(_address(text)), (_TEXT,)),
        _functions("ip.isCanonical", _TRUTH, lambda text: str(_address(text)) == text, (_TEXT,)),
        _methods("family", _NUMBER, lambda text: _address(text).version, (_TEXT,)),
        _methods("isUnspecified", _TRUTH, lambda text: _address(text).is_unspecified, (_TEXT,)),
        _methods("isLoopback", _TRUTH, lambda text: _address(text).is_loopback, (_TEXT,)),
        _methods("isLinkLocalUnicast", _TRUTH, lambda text: _address(text).is_link_local, (_TEXT,)),
        _methods("isLinkLocalMulticast", _TRUTH, _is_link_local_multicast, (_TEXT,)),
        _methods("isGlobalUnicast", _TRUTH, _is_global_unicast, (_TEXT,)),
        _functions("isCIDR", _TRUTH, _holds(_network), (_TEXT,)),
        _functions("cidr", _TEXT, lambda text: _network(text) and text, (_TEXT,)),
        _methods("containsIP", _TRUTH, lambda text, ip: _address(ip) in _network(text), (_TEXT, _TEXT)),
        _methods("containsCIDR", _TRUTH, _contains_network, (_TEXT, _TEXT)),
        _methods("ip", _TEXT, lambda text: str(_address(text.partition("/")[0])), (_TEXT,)),
        _methods("masked", _TEXT, lambda text: str(_network(text)), (_TEXT,)),
        _methods("prefixLength", _NUMBER, lambda text: _network(text).prefixlen, (_TEXT,)),
    ]


def _of_urls() -> list[cel.FunctionDecl]:
    return [
        _functions("isURL", _TRUTH, _holds(_url), (_TEXT,)),
        _functions("url", _TEXT, lambda text: _url(text).geturl(), (_TEXT,)),
        _methods("getScheme", _TEXT, lambda text: _url(text).scheme, (_TEXT,)),
        _methods("getHost", _TEXT, lambda text: _url(text).netloc.rpartition("@")[2], (_TEXT,)),
        _methods("getHostname", _TEXT, lambda text: _url(text).hostname or "", (_TEXT,)),
        _methods("getPort", _TEXT, lambda text: str(_url(text).port or ""), (_TEXT,)),
        _methods("getEscapedPath", _TEXT, lambda text: _url(text).path, (_TEXT,)),
        _methods("getQuery", _QUERY, lambda text: parse_qs(_url(text).query, keep_blank_values=True), (_TEXT,)),
    ]


def _methods(name: str, returns: cel.Type, body: Body, *signatures: tuple[cel.Type, ...]) -> cel.FunctionDecl:
    return _declaration(name, returns, body, signatures, is_member=True)


def _functions(name: str, returns: cel.Type, body: Body, *signatures: tuple[cel.Type, ...]) -> cel.FunctionDecl:
    return _declaration(name, returns, body, signatures, is_member=False)


def _declaration(
    name: str,
    returns: cel.Type,
    body: Body,
    signatures: tuple[tuple[cel.Type, ...], ...],
    *,
    is_member: bool,
) -> cel.FunctionDecl:
    kind = "method" if is_member else "function"
    overloads = [
        cel.Overload(f"kubernetes_{kind}_{name}_{index}", returns, [*signature], is_member, body)
        for index, signature in enumerate(signatures)
    ]
    return cel.FunctionDecl(name, overloads)


def _holds(read: Callable[..., Any]) -> Body:
    """Whether a parser accepts a text."""

    def check(text: str, *how: bool) -> bool:
        try:
            read(text, *how)
        except (ValueError, InvalidOperation):
            return False
        return True

    return check


def _is_sorted(items: list[Any]) -> bool:
    return items == sorted(items)


def _index_of(items: list[Any], wanted: Any) -> int:
    return next((index for index, item in enumerate(items) if item == wanted), -1)


def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((index for index in reversed(range(len(items))) if items[index] == wanted), -1)


def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(items):
        raise ValueError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


def _distinct(items: list[Any]) -> list[Any]:
    return [item for index, item in enumerate(items) if item not in items[:index]]


def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    for _ in range(depth):
        items = list(chain.from_iterable(cast("list[Any]", i) if isinstance(i, list) else [i] for i in items))
    return items


def _equivalent(one: list[Any], other: list[Any]) -> bool:
    return all(item in one for item in other) and all(item in other for item in one)


def _find(text: str, pattern: str) -> str:
    found = goregexp.compiled(pattern).search(text)
    return (found[0] or "") if found else ""


def _find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    found = [one[0] or "" for one in goregexp.compiled(pattern).finditer(text)]
    return found if limit < 0 else found[:limit]


def _quantity(text: str) -> Decimal:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, unit = Decimal(found[1]), found[2]
    if unit in _BINARY:
        return number * _BINARY[unit]
    power = _DECIMAL[unit] if unit in _DECIMAL else int(unit[1:])
    return number.scaleb(power)


def _plain(value: Decimal) -> str:
    """Return a number in normal form."""
    return format(value.normalize(), "f") if value else "0"


def _as_integer(text: str) -> int:
    value = Decimal(text)
    if value != int(value):
        raise ValueError("cannot convert value to integer")
    return int(value)


def _semver(text: str) -> tuple[tuple[int, ...], tuple[tuple[bool, int, str], ...]]:
    """Return the numbers and the pre-release of a version, in a form that sorts correctly."""
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError("No Major.Minor.Patch elements found")
    before = tuple(
        (not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in (found[4] or "").split(".")
    )
    return tuple(int(part) for part in found.groups()[:3]), before if found[4] else ()


def _checked_semver(text: str, lenient: bool = False) -> str:
    """Return a version; a lenient parser takes `v1` for `1.0.0`."""
    if lenient and (found := re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?([-+].*)?", text)):
        text = ".".join(str(int(part or 0)) for part in found.groups()[:3]) + (found[4] or "")
    _semver(text)
    return text


def _compare(one: str, other: str) -> int:
    """Return -1, 0 or 1 for two versions, which have at least two dots, or two quantities."""
    if one.count(".") < 2:
        return (Decimal(one) > Decimal(other)) - (Decimal(one) < Decimal(other))
    (numbers, before), (others, before_others) = _semver(one), _semver(other)
    left, right = (numbers, not before, before), (others, not before_others, before_others)
    return (left > right) - (left < right)


def _address(text: str) -> Address:
    found = ipaddress.ip_address(text)
    if "%" in text or (found.version == 6 and found.ipv4_mapped is not None):
        raise ValueError(f'IP Address "{text}" with a zone, or an IPv4-mapped IPv6 address, is not allowed')
    return found


def _is_link_local_multicast(text: str) -> bool:
    found = _address(text)
    return found in ipaddress.ip_network("224.0.0.0/24" if found.version == 4 else "ff02::/16")


def _is_global_unicast(text: str) -> bool:
    found = _address(text)
    broadcast = text == "255.255.255.255"
    special = found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local
    return not (special or broadcast)


def _network(text: str) -> Network:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text}")
    _address(text.partition("/")[0])
    return ipaddress.ip_network(text, strict=False)


def _contains_network(text: str, other: str) -> bool:
    one, inner = _network(text), _network(other)
    return one.version == inner.version and inner.subnet_of(cast("Any", one))


def _url(text: str) -> SplitResult:
    """Parse an absolute URL or an absolute path."""
    found = urlsplit(text)
    if not (found.scheme or text.startswith("/")) or any(character <= " " for character in text):
        raise ValueError(f'URL parse error during conversion from string: parse "{text}": invalid URI for request')
    _ = found.port  # which is checked as it is read
    return found
