"""Checks what a Tool says about its container, as far as that can be known without a cluster. Pure.

Kubernetes checks the name of an image and most quantities only when a Pod is there. A Tool with a typing error would be
accepted, and each of its calls would fail.
"""

from __future__ import annotations

import re
from decimal import Decimal

from kubechain.api.references import ResourceRequirements
from kubechain.api.tool import ContainerTool
from kubechain.tools.model import InvalidTool

_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_TAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
_IMAGE = re.compile(rf"(?P<name>(?:{_DOMAIN}/)?{_PATH}(?:/{_PATH})*)(?::{_TAG})?(?:@{_DIGEST})?")
"""The grammar of container registries (`distribution/reference`), by which kubelet reads the name of an image."""

_ID_OF_IMAGE = re.compile(r"[0-9a-f]{64}")
_PATH_CHARACTERS = 255
"""What a name must not be, and the longest path in one; the same package says so."""

_QUANTITY = re.compile(r"\+?(\d+\.?\d*|\.\d+)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{1,2})?")
"""The grammar of quantities in Kubernetes, without negative ones."""

_DECIMAL_EXPONENTS = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY_POWERS = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_STANDARD = re.compile(r"cpu|memory|ephemeral-storage|hugepages-.+|[^/]+\.[^/]+/[^/]+")


def check(tool: ContainerTool) -> None:
    """Check the image and the resources of a container.

    Raises:
        InvalidTool: One of them is invalid; the message names the field and the value.
    """
    if not _is_reference(tool.image):
        raise InvalidTool(f'image: not a reference to an image: "{tool.image}"')
    if tool.resources is not None:
        _check_resources(tool.resources)


def _is_reference(image: str) -> bool:
    match = _IMAGE.fullmatch(image)
    if match is None or _ID_OF_IMAGE.fullmatch(image):
        return False
    first, slash, rest = match["name"].partition("/")
    has_domain = bool(slash) and ("." in first or ":" in first or first == "localhost" or first != first.lower())
    path = rest if has_domain else match["name"] if slash else f"library/{first}"
    return len(path) <= _PATH_CHARACTERS


def amount(value: str | int) -> Decimal | None:
    """Return a quantity such as 500m, 256Mi or 1e3 as a number; None for one that Kubernetes refuses."""
    if (match := _QUANTITY.fullmatch(str(value))) is None:
        return None
    number, unit = Decimal(match[1]), match[2] or ""
    if unit in _BINARY_POWERS:
        return number * 1024 ** _BINARY_POWERS[unit]
    if unit in _DECIMAL_EXPONENTS:
        return number.scaleb(_DECIMAL_EXPONENTS[unit])
    return number.scaleb(int(unit[1:])) if unit else number


def _check_resources(resources: ResourceRequirements) -> None:
    limits, requests = resources.limits or {}, resources.requests or {}
    for where, given in (("limits", limits), ("requests", requests)):
        for name, value in given.items():
            if not _STANDARD.fullmatch(name):
                raise InvalidTool(f'resources.{where}: not a resource such as cpu or example.com/gpu: "{name}"')
            if amount(value) is None:
                raise InvalidTool(f'resources.{where}.{name}: not a quantity such as 500m or 256Mi: "{value}"')
    for name in limits.keys() & requests.keys():
        least, most = amount(requests[name]), amount(limits[name])
        if least is not None and most is not None and least > most:
            raise InvalidTool(f'resources.requests.{name}: "{requests[name]}" is more than the limit "{limits[name]}"')
