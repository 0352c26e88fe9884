"""Who created a Task or a TaskRun, as the admission policies record it: they may not approve what the run asks for.

A run that the manager makes has the creator of the object that it is made for.
"""

from __future__ import annotations

from kubechain.api.meta import GROUP, KubeObject, ObjectMeta

CREATED_BY = f"{GROUP}/created-by"
"""Annotation with the user name; absent where the admission policies are not installed."""


def created_by(obj: KubeObject) -> str | None:
    """The user who created the object, or the one that it was made for; None where nobody recorded it."""
    return obj.metadata.annotations.get(CREATED_BY)


def with_creator(metadata: ObjectMeta, origin: KubeObject | None) -> ObjectMeta:
    """Return the metadata of an object that is made for `origin`, with its creator if that is known."""
    creator = created_by(origin) if origin is not None else None
    return metadata.with_changes(annotations={**metadata.annotations, CREATED_BY: creator}) if creator else metadata
