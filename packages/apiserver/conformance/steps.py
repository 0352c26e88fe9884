"""What a case consists of: requests, watches, kubectl commands. Values only; `runner` carries them out.

Texts may hold `$ns`, the namespace that each case has of its own, and `$(name.metadata.uid)`: that field of the reply
to the step saved under `name`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Any
"""A JSON value."""

MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@dataclass(frozen=True, slots=True)
class Edited:
    """A body made from an earlier reply.

    Attributes:
        saved: Under which name that step was saved.
        changes: A JSON merge patch.
    """

    saved: str
    changes: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Request:
    """One request; its status, warnings and body are compared.

    Attributes:
        body: JSON, or bytes that are sent as they are.
        content_type: Of the body.
        save: The name under which later steps find the reply.
        quiet: Compare the status only: for what prepares the case.
        pick: Compare this part of the reply only: keys, indices, or `field=value` for an item of a list.
        until: Repeat until this status comes, and compare the last reply: for what happens in the background.
    """

    method: str
    path: str
    body: Json | bytes | Edited | None = None
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    save: str = ""
    quiet: bool = False
    pick: tuple[str, ...] = ()
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch; its events are compared, in order.

    Attributes:
        events: After how many the client leaves; when fewer come the watch must end by itself.
        during: What happens once the watch is open.
    """

    path: str
    events: int
    during: tuple[Request, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Kubectl:
    """A kubectl command in the case's namespace; exit status, output and errors are compared."""

    command: str
    stdin: str = ""
    quiet: bool = False


Step = Request | Watch | Kubectl


@dataclass(frozen=True, slots=True)
class Case:
    """One named fact about an API server.

    Attributes:
        name: A sentence; unique in its area.
        mask: What this regular expression matches is not compared.
    """

    name: str
    steps: tuple[Step, ...]
    mask: str = ""


def case(name: str, *steps: Step, mask: str = "") -> Case:
    """Return a case."""
    return Case(name, steps, mask)


def get(path: str, **more: Any) -> Request:
    """GET."""
    return Request("GET", path, **more)


def post(path: str, body: Json, **more: Any) -> Request:
    """POST."""
    return Request("POST", path, body, **more)


def put(path: str, body: Json, **more: Any) -> Request:
    """PUT."""
    return Request("PUT", path, body, **more)


def patch(path: str, content_type: str, body: Json, **more: Any) -> Request:
    """PATCH with a body of that media type."""
    return Request("PATCH", path, body, content_type, **more)


def delete(path: str, body: Json = None, **more: Any) -> Request:
    """DELETE, with DeleteOptions if a body is given."""
    return Request("DELETE", path, body, **more)


def edited(saved: str, **changes: Json) -> Edited:
    """The object that a saved reply holds, with a JSON merge patch applied."""
    return Edited(saved, changes)
