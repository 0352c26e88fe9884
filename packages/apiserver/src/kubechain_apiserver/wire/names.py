"""Formats of names, label keys and label values, with kube-apiserver's errors.

Each function returns the errors of a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable

NameRule = Callable[[str, bool], list[str]]
"""Returns the errors of a name; the flag tells that it is a prefix, to which characters are appended."""

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_RESOURCE = "[a-z]([-a-z0-9]*[a-z0-9])?"
_KEY = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_KEY})?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_is_label = re.compile(_LABEL).fullmatch
_is_resource = re.compile(_RESOURCE).fullmatch
_is_subdomain = re.compile(_SUBDOMAIN).fullmatch
_is_key = re.compile(_KEY).fullmatch
_is_value = re.compile(_VALUE).fullmatch
_is_config_key = re.compile(_CONFIG_KEY).fullmatch

_ENDS = "and must start and end with an alphanumeric character"
_LABEL_TEXT = f"a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', {_ENDS}"
_SUBDOMAIN_TEXT = (
    f"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', {_ENDS}"
)
_RESOURCE_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_KEY_TEXT = f"must consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_VALUE_TEXT = f"a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', {_ENDS}"
_CONFIG_KEY_TEXT = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
_KEY_EXAMPLES = ("MyName", "my.name", "123-abc")


def _pattern_error(text: str, pattern: str, *examples: str) -> str:
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{text} (e.g. {shown}regex used for validation is '{pattern}')"


def _too_long(limit: int, unit: str = "bytes") -> str:
    return f"must be no more than {limit} {unit}"


def _size(value: str) -> int:
    return len(value) if value.isascii() else len(value.encode())


def dns_label(value: str) -> list[str]:
    """Check names of namespaces and the like."""
    found = [_too_long(63, "characters")] if _size(value) > 63 else []
    if not _is_label(value):
        found.append(_pattern_error(_LABEL_TEXT, _LABEL, "my-name", "123-abc"))
    return found


def resource_label(value: str) -> list[str]:
    """Check names of resources and versions."""
    found = [_too_long(63, "characters")] if _size(value) > 63 else []
    if not _is_resource(value):
        found.append(_pattern_error(_RESOURCE_TEXT, _RESOURCE, "my-name", "abc-123"))
    return found


def dns_subdomain(value: str, unit: str = "characters") -> list[str]:
    """Check names of most objects. `unit` is the unit of length in the error: kube-apiserver has two."""
    found = [_too_long(253, unit)] if _size(value) > 253 else []
    if not _is_subdomain(value):
        found.append(_pattern_error(_SUBDOMAIN_TEXT, _SUBDOMAIN, "example.com"))
    return found


def label_key(value: str) -> list[str]:
    """Check label keys and finalizers."""
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        text = _pattern_error(_KEY_TEXT, _KEY, *_KEY_EXAMPLES)
        return [f"a valid label key {text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    found: list[str] = []
    if slash and not prefix:
        found.append("prefix part must be non-empty")
    elif slash:
        found += [f"prefix part {error}" for error in dns_subdomain(prefix, "bytes")]
    if not name:
        found.append("name part must be non-empty")
    elif _size(name) > 63:
        found.append(f"name part {_too_long(63)}")
    if not _is_key(name):
        found.append(f"name part {_pattern_error(_KEY_TEXT, _KEY, *_KEY_EXAMPLES)}")
    return found


def label_value(value: str) -> list[str]:
    """Check label values."""
    found = [_too_long(63)] if _size(value) > 63 else []
    if not _is_value(value):
        found.append(_pattern_error(_VALUE_TEXT, _VALUE, "MyValue", "my_value", "12345"))
    return found


def config_key(value: str) -> list[str]:
    """Check keys of Secrets and ConfigMaps."""
    found = [_too_long(253, "characters")] if _size(value) > 253 else []
    if not _is_config_key(value):
        found.append(_pattern_error(_CONFIG_KEY_TEXT, _CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    elif value == ".":
        found.append("must not be '.'")
    elif value == "..":
        found.append("must not be '..'")
    elif value.startswith(".."):
        found.append("must not start with '..'")
    return found


def _for_prefix(rule: Callable[[str], list[str]]) -> NameRule:
    """Return a rule that allows a prefix to end with a dash."""

    def errors(name: str, prefix: bool) -> list[str]:
        return rule(f"{name[:-2]}a" if prefix and len(name) > 1 and name.endswith("-") else name)

    return errors


subdomain_name = _for_prefix(dns_subdomain)
label_name = _for_prefix(dns_label)
