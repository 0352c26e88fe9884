"""Who the client tells about our own successful writes, so that no cache shows an object older than what we wrote."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from kubechain.runtime.resource import Resource


class WriteObserver(Protocol):
    """Who is told about our own successful writes, before the caller sees the answer."""

    def writing(self, resource: Resource[Any], namespace: str, name: str) -> AbstractContextManager[None]:
        """Surround one write to an object, until its reply is taken or it failed."""
        ...

    def wrote(self, resource: Resource[Any], raw: bytes, *, base_version: str | None) -> None:
        """Take the object as the server answered it.

        Args:
            resource: the kind.
            raw: the object after the write.
            base_version: the resourceVersion that the write was conditional on; empty for a create, None when the
                write was unconditional and may have swallowed changes that nobody here has seen.
        """
        ...

    def deleted(self, resource: Resource[Any], namespace: str, name: str, *, uid: str) -> None:
        """Take note that the object is gone for good."""
        ...


class NoObserver:
    """For clients without caches."""

    def writing(self, resource: Resource[Any], namespace: str, name: str) -> AbstractContextManager[None]:
        """Do nothing around it."""
        return nullcontext()

    def wrote(self, resource: Resource[Any], raw: bytes, *, base_version: str | None) -> None:
        """Ignore it."""

    def deleted(self, resource: Resource[Any], namespace: str, name: str, *, uid: str) -> None:
        """Ignore it."""
