"""What kstatus makes of an object, by its published rules: what Flux, `kpt` and others wait for.

The rules (kubernetes-sigs/cli-utils, pkg/kstatus/README.md), in this order: an object that is being deleted is
Terminating; one whose `status.observedGeneration` is there and is not its generation is InProgress; the conditions
Reconciling and Stalled, where True, say InProgress and Failed; a condition Ready says Current where it is True, else
InProgress; anything else is Current.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def computed(obj: Mapping[str, Any]) -> str:
    """The status of an object, in the words of kstatus."""
    metadata, status = obj["metadata"], obj.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if status.get("observedGeneration", metadata["generation"]) != metadata["generation"]:
        return "InProgress"
    found = {one["type"]: one["status"] for one in status.get("conditions", [])}
    if found.get("Reconciling") == "True":
        return "InProgress"
    if found.get("Stalled") == "True":
        return "Failed"
    return "Current" if found.get("Ready", "True") == "True" else "InProgress"
