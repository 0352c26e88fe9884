"""Exceptions for requests to an API server and for reconcilers.

    Exception
    ├── ApiError                  the server answered with a failure (metav1.Status)
    │   ├── BadRequest            400
    │   ├── Unauthorized          401
    │   ├── Forbidden             403
    │   ├── NotFound              404
    │   ├── MethodNotAllowed      405
    │   ├── AlreadyExists         409, the name is taken
    │   ├── Conflict              409, the object has changed since it was read
    │   ├── Expired               410, the resourceVersion or continue token is too old
    │   ├── TooLarge              413, or the store's own refusal of an object over its limit
    │   ├── Invalid               422
    │   │   └── Malformed         the object breaks its schema: the same write is never accepted
    │   ├── TooManyRequests       429
    │   ├── InternalError         500
    │   ├── ServiceUnavailable    503
    │   └── ServerTimeout         504
    ├── TransportError            no complete response: a write may have been applied
    ├── WriteRefused              the server says no to a write of a reconcile; it may say yes later
    ├── RetryableError            the reconcile is retried at a known time
    └── TerminalError             the reconcile is not retried until the object changes

Exceptions of libraries are mapped to these by the transport, never further up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from kubechain.net.foreign import cut

MESSAGE_LIMIT = 1024
"""Characters kept of a server's message, which may quote a whole object."""


class ApiError(Exception):
    """The API server answered a request with a failure."""

    def __init__(
        self,
        status: int,
        reason: str = "",
        message: str = "",
        details: Mapping[str, Any] | None = None,
        *,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Keep the fields of metav1.Status.

        Args:
            status: HTTP status code.
            reason: machine-readable word such as `NotFound`; empty when the server gave none.
            message: the server's human-readable message.
            details: `Status.details`: name, kind, uid, causes.
            retry_after_seconds: how long the server asks to wait before the next request.
        """
        super().__init__(message or reason or f"HTTP status {status}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details: Mapping[str, Any] = details or {}
        self.retry_after_seconds = retry_after_seconds

    @property
    def cause_reasons(self) -> frozenset[str]:
        """Return the reasons in `details.causes`, such as `ResourceVersionTooLarge`."""
        causes = cast("object", self.details.get("causes"))
        if not isinstance(causes, list):
            return frozenset()
        entries = [cast("dict[str, Any]", cause) for cause in cast("list[object]", causes) if isinstance(cause, dict)]
        return frozenset(str(entry.get("reason", "")) for entry in entries)


class BadRequest(ApiError):
    """400: the request is malformed."""


class Unauthorized(ApiError):
    """401: authentication failed."""


class Forbidden(ApiError):
    """403: authorization, a quota or an admission rule forbids the request."""


class NotFound(ApiError):
    """404: there is no such object or kind."""


class MethodNotAllowed(ApiError):
    """405: the kind does not support this verb."""


class AlreadyExists(ApiError):
    """409 on create: the name is taken."""


class Conflict(ApiError):
    """409 on a conditional write: the object has changed since it was read."""


class Expired(ApiError):
    """410: the resourceVersion or continue token is older than the server's history."""


class TooLarge(ApiError):
    """The object is larger than the server or its store accepts; the same write can never succeed."""


class Invalid(ApiError):
    """422: the object fails validation, or a policy forbids it with this code."""


class Malformed(Invalid):
    """The object itself breaks its schema, field by field: the same write can never succeed."""


class TooManyRequests(ApiError):
    """429: the server is overloaded; the request was not executed."""


class InternalError(ApiError):
    """500."""


class ServiceUnavailable(ApiError):
    """503."""


class ServerTimeout(ApiError):
    """504: the server timed out; a write may have been applied."""


class TransportError(Exception):
    """No complete response was received (connect, reset, time-out): a write may have been applied."""

    def __init__(self, message: str, *, reason: str = "") -> None:
        """Say what went wrong.

        Args:
            message: names the request.
            reason: without the request; empty for the message.
        """
        super().__init__(message)
        self.reason = reason or message


REFUSALS = (BadRequest, Unauthorized, Forbidden, MethodNotAllowed, Invalid)
"""The server says no to a write. Whether it always will, the code does not say: policies, quotas, webhooks and roles
answer with any of them, and people change those."""

FINAL_REFUSALS = (TooLarge, Malformed)
"""The write is wrong whoever sends it whenever: to repeat it is of no use."""


class WriteRefused(Exception):
    """The server refuses a write that a reconcile needs; the reconcile is retried with a short backoff."""

    def __init__(self, what: str, error: ApiError, *, is_create: bool = False) -> None:
        """Say what is refused.

        Args:
            what: noun of the sentence, such as `TaskRun "hello-1"`.
            error: the server's answer, whose message says who refuses and why.
            is_create: whether an object is missing because of it.
        """
        super().__init__(f"the API server refuses {what}: {error} (HTTP {error.status})")
        self.what = what
        self.error = error
        self.is_create = is_create


class TerminalError(Exception):
    """The object cannot be reconciled until its spec changes: it is not retried."""


class RetryableError(Exception):
    """The reconcile failed in an expected way and is retried after a known time."""

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        """Keep when to retry."""
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


_BY_STATUS: dict[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    409: Conflict,
    410: Expired,
    413: TooLarge,
    422: Invalid,
    429: TooManyRequests,
    500: InternalError,
    503: ServiceUnavailable,
    504: ServerTimeout,
}

_TOO_LARGE_TEXTS = (
    "etcdserver: request is too large",
    "trying to send message larger than max",
    "Request entity too large",
)
"""Messages for objects that are too large, where the status is not 413 (500 from etcd, 400 from proxies)."""


class _Status(msgspec.Struct):
    reason: str | None = ""
    message: str | None = ""
    code: int | None = None
    details: dict[str, Any] | None = None


def error_from_status(status: int, body: bytes, *, retry_after_seconds: float | None = None) -> ApiError:
    """Return the exception for a response that is not a success.

    Args:
        status: HTTP status code.
        body: usually a metav1.Status; anything else, as a proxy may send it, becomes the message.
        retry_after_seconds: value of the `Retry-After` header, which wins over the body's.
    """
    try:
        parsed = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        parsed = _Status(message=body[:MESSAGE_LIMIT].decode("utf-8", "replace").strip())
    reason, message, details = parsed.reason or "", cut(parsed.message or "", MESSAGE_LIMIT), parsed.details or {}
    if retry_after_seconds is None and isinstance(details.get("retryAfterSeconds"), int | float):
        retry_after_seconds = float(details["retryAfterSeconds"])
    error_type = _type_of(parsed.code or status, reason, message)
    if error_type is Invalid and _names_fields(details):
        error_type = Malformed
    return error_type(status, reason, message, details, retry_after_seconds=retry_after_seconds)


def _names_fields(details: Mapping[str, Any]) -> bool:
    """Whether every cause is a field of the object: that is what a schema says, and no policy."""
    causes = cast("object", details.get("causes"))
    if not isinstance(causes, list) or not causes:
        return False
    return all(_has_field(cause) for cause in cast("list[object]", causes))


def _has_field(cause: object) -> bool:
    return isinstance(cause, dict) and bool(cast("dict[str, Any]", cause).get("field"))


def _type_of(status: int, reason: str, message: str) -> type[ApiError]:
    if any(text in message for text in _TOO_LARGE_TEXTS):
        return TooLarge
    if status == 409 and reason == "AlreadyExists":
        return AlreadyExists
    if reason == "Expired":
        return Expired
    return _BY_STATUS.get(status, InternalError if status >= 500 else ApiError)
