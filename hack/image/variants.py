"""The variants of the image, and their names. No effects."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

VARIANTS = ("tools", "slim")
"""Targets of the Dockerfile; the first is what config/manager names."""

_MANAGER, _TOOLS = (f"opt/{part}/share/sbom.cdx.json" for part in ("kubechain", "tools"))

SBOMS = {"tools": (_MANAGER, _TOOLS), "slim": (_MANAGER,)}
"""Where an image lists what is installed in it, by its variant."""


def name_of(variant: str) -> str:
    """Return the name of a variant: that of config/manager, or with the variant after its tag."""
    said = (ROOT / "config" / "manager" / "kustomization.yaml").read_text()
    name, tag = (_only(rf"{key}: (\S+)", said) for key in ("newName", "newTag"))
    suffix = "" if variant == VARIANTS[0] else f"-{variant}"
    return f"docker.io/library/{name}:{tag}{suffix}"


def _only(pattern: str, text: str) -> str:
    [found] = re.findall(pattern, text)
    return found
