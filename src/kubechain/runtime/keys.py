"""The name of a piece of work: which object to reconcile. Used by queue, store and reconcilers; no I/O here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Request:
    """Namespace and name of the object to reconcile; the namespace of a cluster-scoped object is empty."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """Return the form that people know from kubectl and logs: `namespace/name`."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name
