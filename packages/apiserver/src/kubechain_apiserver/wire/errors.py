"""Refusals of the API server: one exception, and constructors with the messages of kube-apiserver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of `details.causes`: an error of one field."""

    reason: str
    message: str
    field: str

    def to_wire(self) -> JsonObject:
        """Return the entry as JSON."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class StatusError(Exception):
    """A refusal, as a metav1.Status.

    Args:
        code: HTTP status.
        reason: metav1.StatusReason; "" if kube-apiserver gives none.
        message: Text for the user.
        details: metav1.StatusDetails, or None.
        continue_token: For `metadata.continue` of an expired list.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        *,
        message: str,
        details: JsonObject | None = None,
        continue_token: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.continue_token = continue_token

    def to_status(self) -> JsonObject:
        """Return the response body."""
        metadata = {"continue": self.continue_token} if self.continue_token else {}
        status: JsonObject = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            status["reason"] = self.reason
        if self.details is not None:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _details(name: str, group: str, kind: str, **more: Any) -> JsonObject:
    details = {"name": name, "group": group, "kind": kind, **more}
    return {key: value for key, value in details.items() if value}


def _qualified(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def not_found(group: str, plural: str, name: str) -> StatusError:
    """Return a 404 for an object."""
    message = f'{_qualified(plural, group)} "{name}" not found'
    return StatusError(404, "NotFound", message=message, details=_details(name, group, plural))


def no_such_resource() -> StatusError:
    """Return a 404 for a path without a resource."""
    return StatusError(404, "NotFound", message="the server could not find the requested resource", details={})


def already_exists(group: str, plural: str, name: str, *, going: bool = False) -> StatusError:
    """Return a 409 for a create. `going`: the existing object is being deleted."""
    prefix = "object is being deleted: " if going else ""
    message = f'{prefix}{_qualified(plural, group)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message=message, details=_details(name, group, plural))


STALE_OBJECT = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(group: str, plural: str, name: str, *, why: str = STALE_OBJECT) -> StatusError:
    """Return a 409 for a write whose precondition does not hold."""
    message = f'Operation cannot be fulfilled on {_qualified(plural, group)} "{name}": {why}'
    return StatusError(409, "Conflict", message=message, details=_details(name, group, plural))


def apply_conflict(causes: Sequence[Cause], *, message: str) -> StatusError:
    """Return a 409 for a server-side apply on fields of other managers."""
    details: JsonObject = {"causes": [cause.to_wire() for cause in causes]}
    return StatusError(409, "Conflict", message=message, details=details)


def invalid(group: str, kind: str, name: str, *, causes: Iterable[Cause]) -> StatusError:
    """Return a 422 with every invalid field."""
    found = list(causes)
    lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in found))
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    qualified = f"{kind}.{group}" if group else kind
    details = _details(name, group, kind, causes=[cause.to_wire() for cause in found])
    return StatusError(422, "Invalid", message=f'{qualified} "{name}" is invalid: {text}', details=details)


def bad_request(message: str) -> StatusError:
    """Return a 400."""
    return StatusError(400, "BadRequest", message=message)


def too_deep() -> StatusError:
    """Return a 400 for more levels than the encoder supports; kube-apiserver supports ten thousand."""
    return bad_request("the body is nested too deep: this server takes some 250 levels")


def forbidden(group: str, plural: str, name: str, *, why: str, causes: Sequence[Cause] = ()) -> StatusError:
    """Return a 403 by a rule of the server, not by authorization."""
    qualified = _qualified(plural, group)
    message = f'{qualified} "{name}" is forbidden: {why}' if name else f"{qualified} is forbidden: {why}"
    details = _details(name, group, plural, causes=[cause.to_wire() for cause in causes])
    return StatusError(403, "Forbidden", message=message, details=details)


class UndecodableError(StatusError):
    """A 400 for a body that does not have the shape of its kind.

    Attributes:
        why: The error; a patch that leads to it is refused with this text alone.
    """

    def __init__(self, kind: str, version: str, *, wanted: str, why: str) -> None:
        text = f'{kind} in version "{version}" cannot be handled as a {wanted}: {why}'
        super().__init__(400, "BadRequest", message=text)
        self.why = why


def cannot_be_handled(info: ResourceInfo, why: str) -> UndecodableError:
    """Return a 400 for a body that does not have the shape of its kind."""
    return UndecodableError(info.kind, info.version, wanted=info.kind, why=why)


def unauthorized() -> StatusError:
    """Return a 401."""
    return StatusError(401, "Unauthorized", message="Unauthorized")


def expired(message: str, *, continue_token: str = "") -> StatusError:
    """Return a 410: the requested revision is not kept any more."""
    return StatusError(410, "Expired", message=message, continue_token=continue_token)


def unsupported_media_type(accepted: Sequence[str]) -> StatusError:
    """Return a 415 for a body or patch in a format that the resource does not support."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return StatusError(415, "UnsupportedMediaType", message=message)


REQUEST_LIMIT_BYTES = 3 * 1024 * 1024
"""Maximum size of a request body: kube-apiserver's default (`MaxRequestBodyBytes`)."""


def request_too_large(limit: int = REQUEST_LIMIT_BYTES) -> StatusError:
    """Return a 413 for a body over the limit."""
    message = f"Request entity too large: limit is {limit}"
    return StatusError(413, "RequestEntityTooLarge", message=message)


def object_too_large() -> StatusError:
    """Return a 500: etcd's refusal of an object over 1.5 MiB."""
    return StatusError(500, "", message="etcdserver: request is too large")


def internal(message: str) -> StatusError:
    """Return a 500."""
    details: JsonObject = {"causes": [{"message": message}]}
    text = f"Internal error occurred: {message}"
    return StatusError(500, "InternalError", message=text, details=details)
