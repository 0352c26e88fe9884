"""Priority of API versions, and the version that this server reports."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from kubechain_apiserver.wire.json_types import JsonObject

KUBERNETES_MAJOR: Final = "1"
KUBERNETES_MINOR: Final = "37"
GIT_VERSION: Final = f"v{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}.0+kubechain"
"""The release whose behaviour is followed; the suffix marks it as another implementation."""

_VERSION: Final = re.compile(r"v(\d+)(?:(alpha|beta)(\d+))?$")
_STABILITY: Final = {None: 0, "beta": 1, "alpha": 2}


def by_priority(versions: Iterable[str]) -> list[str]:
    """Sort versions as discovery does: stable, beta, alpha, newer ones first, then other names by alphabet."""
    return sorted(versions, key=_priority)


def _priority(version: str) -> tuple[int, int, int, str]:
    found = _VERSION.match(version)
    if found is None:
        return (3, 0, 0, version)
    return (_STABILITY[found[2]], -int(found[1]), -int(found[3] or 0), version)


def version_info() -> JsonObject:
    """Return the body of `/version`."""
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "",
        "platform": "kubechain/embedded",
    }
