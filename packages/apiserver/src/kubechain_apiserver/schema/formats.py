"""String formats of OpenAPI, as kube-apiserver checks them. Other formats are not checked."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

from kubechain_apiserver.wire import goregexp

_DATE_TIME = re.compile(
    r"(?P<day>\d{4}-\d{2}-\d{2})[T ](?P<h>\d{2}):(?P<m>\d{2}):(?P<s>\d{2})(\.\d+)?([zZ]|[+-]\d{2}:?\d{2})?", re.ASCII
)
_DURATION = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)\s*(ns|us|µs|ms|s|m|h|d|w|[a-z]+)(.*)", re.IGNORECASE | re.DOTALL)
_UUID = r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"
_HOSTNAME = (
    r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)"
    r"|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}"
    r"([a-zA-Z\p{L}]){2,63})$"
)
"""Both as in the package strfmt of kube-openapi."""

_HOSTNAME_BYTES = 255
_LABEL_BYTES = 63
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_MAC = re.compile(r"([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}")


def _is_day(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return len(value) == len("2006-01-02")


def _is_date_time(value: str) -> bool:
    found = _DATE_TIME.fullmatch(value)
    if found is None or not _is_day(found["day"]):
        return False
    return int(found["h"]) <= 23 and int(found["m"]) <= 59 and int(found["s"]) <= 59


def _is_byte(value: str) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except binascii.Error:
        return False
    return True


def _is_address(version: int) -> Callable[[str], bool]:
    def check(value: str) -> bool:
        try:
            return ipaddress.ip_address(value).version == version
        except ValueError:
            return False

    return check


def _is_cidr(value: str) -> bool:
    try:
        ipaddress.ip_network(value, strict=False)
    except ValueError:
        return False
    return "/" in value


def _is_uri(value: str) -> bool:
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.scheme) or value.startswith("/")


def _is_hostname(value: str) -> bool:
    if goregexp.compiled(_HOSTNAME).search(value) is None or len(value.encode()) > _HOSTNAME_BYTES:
        return False
    return all(len(label.encode()) <= _LABEL_BYTES for label in value.split("."))


def _is_uuid(value: str) -> bool:
    return goregexp.compiled(_UUID).search(value) is not None


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda value: pattern.fullmatch(value) is not None


_CHECKS: dict[str, Callable[[str], bool]] = {
    "byte": _is_byte,
    "cidr": _is_cidr,
    "date": _is_day,
    "datetime": _is_date_time,
    "duration": _matches(_DURATION),
    "email": _matches(_EMAIL),
    "hostname": _is_hostname,
    "ipv4": _is_address(4),
    "ipv6": _is_address(6),
    "mac": _matches(_MAC),
    "uri": _is_uri,
    "uuid": _is_uuid,
}


_UNCHECKED = {
    *("bsonobjectid", "uuid3", "uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn", "hexcolor"),
    *("rgbcolor", "password", "k8sshortname", "k8slongname"),
}
"""Formats of strings that kube-apiserver knows and that are not checked here."""

_OF_NUMBERS = {"integer": {"int32", "int64"}, "number": {"float", "double"}}


def is_known(name: str, type_: str) -> bool:
    """Whether kube-apiserver knows a format of a type; it ignores unknown ones."""
    if type_ in {"", "string"}:
        return is_checked(name) or name.replace("-", "") in _UNCHECKED
    return name in _OF_NUMBERS.get(type_, ())


def is_checked(name: str) -> bool:
    """Whether values of a format are checked."""
    return name.replace("-", "") in _CHECKS


def holds(name: str, value: str) -> bool:
    """Whether a value has a format; true for unknown formats."""
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(value)
