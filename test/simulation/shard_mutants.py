"""Broken variants of sharing that the claims do not make up for: what a wrong map costs is told by `test_gate`."""

from __future__ import annotations

from typing import Any

from kubechain.runtime.shards.gate import Gate
from test.simulation.mutant import Mutant


def _never_gains(self: Gate, *_: Any) -> None:
    """Get buckets without looking at what is in them."""


ALL = (Mutant("gains-unseen", ((Gate, "resume", _never_gains),), "shards", ("after",)),)
