"""YAML as sigs.k8s.io/yaml reads it: the same booleans, and the same errors for duplicate keys.

libyaml, from which Go's library was ported, parses.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.reader import ReaderError
from yaml.scanner import ScannerError

from kubechain_apiserver.wire import gotext, yamlbounds

_TAG: Final = "tag:yaml.org,2002:"
_BOOL: Final = "y|Y|yes|Yes|YES|true|True|TRUE|on|On|ON|n|N|no|No|NO|false|False|FALSE|off|Off|OFF"
_NULL: Final = "~|null|Null|NULL|"
_INT: Final = r"[-+]?(?:0[bB][01_]+|0[xX][0-9a-fA-F_]+|0[oO]?[0-7_]+|0|[1-9][0-9_]*)"
_FLOAT: Final = r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
_MERGE: Final = f"{_TAG}merge"
_INT64: Final = range(-(2**63), 2**64)

DOUBLED: Final = "yaml: unmarshal errors:"
"""Start of the error about duplicate keys; a line for each of them follows."""


def load(body: bytes) -> Any:
    """Return the first document of a text.

    Raises:
        yaml.YAMLError: The text is invalid, nested too deeply, or its aliases make it too large.
    """
    loader = _Loader(body)
    node = _document(loader, body)
    return loader.value(node) if node else None


def doubled_keys(body: bytes) -> str:
    """Return the error about duplicate keys; "" for none."""
    loader = _Loader(body)
    doubled: list[str] = []
    node = _document(loader, body)
    if node:
        _find_doubled(loader, node, doubled)
    return "\n".join([DOUBLED, *doubled]) if doubled else ""


def _document(loader: _Loader, body: bytes) -> yaml.Node | None:
    yamlbounds.check_depth(body)
    node = loader.get_node() if loader.check_node() else None
    if node is not None:
        yamlbounds.check_aliases(node)
    return node


def _find_doubled(loader: _Loader, node: yaml.Node, found: list[str]) -> None:
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _find_doubled(loader, item, found)
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[tuple[str, Any]] = set()
    for key_node, value_node in node.value:
        _find_doubled(loader, value_node, found)
        if key_node.tag == _MERGE:
            # What comes with another mapping is set too.
            seen |= {(key.tag, loader.value(key)) for key, _ in _merged(value_node)}
            continue
        key = loader.value(key_node)
        if (key_node.tag, key) in seen:
            shown = json.dumps(key, ensure_ascii=False)
            found.append(f"  line {value_node.start_mark.line + 1}: key {shown} already set in map")
        seen.add((key_node.tag, key))


def _merged(node: yaml.Node) -> Iterator[tuple[yaml.Node, yaml.Node]]:
    """Return the entries of one or several mappings after `<<`."""
    for each in node.value if isinstance(node, yaml.SequenceNode) else (node,):
        yield from each.value


def problem(error: yaml.YAMLError) -> str:
    """Return Go's error for invalid YAML."""
    if isinstance(error, ReaderError):
        return f"yaml: {error.reason}"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return f"yaml: {error}"
    line = error.problem_mark.line
    if line and isinstance(error, ScannerError):
        line += 1
    elif not line and error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: line {line}: {error.problem}" if line else f"yaml: {error.problem}"


class _Loader(yaml.CSafeLoader):
    """Resolves plain scalars by Go's rules; keys become strings, as in JSON."""

    def value(self, node: yaml.Node, *, deep: bool = True) -> Any:
        """Return the value of a node."""
        return self.construct_object(node, deep=deep)  # pyright: ignore[reportUnknownMemberType]

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        fields = {_as_text(self.value(key)): self.value(value, deep=deep) for key, value in node.value}
        # It becomes JSON on its way, which Go writes in order.
        return dict(sorted(fields.items()))


def _as_text(key: Any) -> str:
    if isinstance(key, list | dict):
        raise yaml.YAMLError(f"invalid map key: {gotext.syntax(key)}")
    return key if isinstance(key, str) else json.dumps(key)


def _number(loader: _Loader, node: yaml.ScalarNode) -> int | float | str:
    plain = str(loader.construct_scalar(node)).replace("_", "")
    if re.fullmatch(_INT, plain):
        sign, digits = ("-", plain[1:]) if plain.startswith("-") else ("", plain.removeprefix("+"))
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
        value = int(sign + digits, 8 if octal else 0)
        if value in _INT64:
            return value
    # In JSON a whole number has no point.
    fraction = float(plain)
    return int(fraction) if fraction.is_integer() and abs(fraction) < 1e21 else fraction


def _truth(loader: _Loader, node: yaml.ScalarNode) -> bool:
    return str(loader.construct_scalar(node)).lower() in {"y", "yes", "true", "on"}


def _resolving(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?:{pattern})$")


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern, _starts in (
    ("bool", _BOOL, "yYnNtTfFoO"),
    ("null", _NULL, "~nN"),
    ("float", f"{_INT}|{_FLOAT}", "-+.0123456789"),
    ("merge", "<<", "<"),
):
    # An empty scalar has no first letter; it is null.
    _first = [*_starts, ""] if _name == "null" else list(_starts)
    _Loader.add_implicit_resolver(f"{_TAG}{_name}", _resolving(_pattern), _first)  # pyright: ignore[reportUnknownMemberType]
_Loader.add_constructor(f"{_TAG}bool", _truth)
_Loader.add_constructor(f"{_TAG}float", _number)
