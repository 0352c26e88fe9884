"""Creates that the API server refuses: by a quota, a policy, a webhook or for want of a right."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from kubechain.api.meta import KubeObject
from kubechain.runtime.errors import REFUSALS, InternalError, NotFound, TooLarge, WriteRefused

CREATE_REFUSALS = (*REFUSALS, NotFound, InternalError, TooLarge)
"""404: namespace or kind is gone. 500: a webhook that cannot be reached, among others."""


@contextmanager
def creating(obj: KubeObject) -> Generator[None]:
    """Surround the request that creates an object.

    Raises:
        WriteRefused: The server says no, with whatever code.
    """
    try:
        yield
    except CREATE_REFUSALS as error:
        raise WriteRefused(f'{obj.kind} "{obj.metadata.name}"', error, is_create=True) from error
