"""Records what happens to objects, as events.k8s.io/v1 Events that kubectl shows."""

from __future__ import annotations

from typing import Protocol

from kubechain.runtime.resource import KubernetesObject


class EventRecorder(Protocol):
    """Where controllers say what happened."""

    def event(self, obj: KubernetesObject, type: str, reason: str, message: str) -> None:
        """Record an event about `obj`; never waits and never fails."""
        ...
