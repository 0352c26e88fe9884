"""Observers of our own successful writes, through which caches learn of a write before its watch event."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, TypeVar

from kubechain.runtime.resource import KubernetesObject, Resource

T = TypeVar("T", bound=KubernetesObject)


class WriteObserver(Protocol):
    """Is notified of our own successful writes before the caller gets the response."""

    def writing(self, resource: Resource[Any], namespace: str, name: str) -> AbstractContextManager[None]:
        """Return a context for one write to an object; it ends after `wrote` or `deleted`, or with a failure."""
        ...

    def wrote(self, resource: Resource[T], raw: bytes, *, base_version: str | None) -> T | None:
        """Process the object in the response to a write.

        Returns the decoded object when a cache has decoded it; None when the caller must.

        Args:
            resource: the kind.
            raw: the object after the write.
            base_version: the resourceVersion that the write was conditional on; empty for a create; None when the
                write was unconditional, so that the object may contain changes of others that the cache has not seen.
        """
        ...

    def deleted(self, resource: Resource[Any], namespace: str, name: str, *, uid: str) -> None:
        """Process the deletion of an object that has no finalizers left."""
        ...

    def conflicted(self, resource: Resource[Any], namespace: str, name: str, *, base_version: str) -> None:
        """Process that the server refused a write because its object has another version than `base_version`."""
        ...


class NoObserver:
    """The observer of clients without caches."""

    def writing(self, resource: Resource[Any], namespace: str, name: str) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def wrote(self, resource: Resource[T], raw: bytes, *, base_version: str | None) -> T | None:
        """Do nothing."""

    def deleted(self, resource: Resource[Any], namespace: str, name: str, *, uid: str) -> None:
        """Do nothing."""

    def conflicted(self, resource: Resource[Any], namespace: str, name: str, *, base_version: str) -> None:
        """Do nothing."""
