"""Answers of access reviews and token requests, which are not stored.

Everybody who is authenticated may do everything, so every review allows. `openapi.unstored` lists these resources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from kubechain_apiserver.wire import errors
from kubechain_apiserver.wire.authn import Tokens, User
from kubechain_apiserver.wire.field_errors import FieldError
from kubechain_apiserver.wire.json_types import JsonObject
from kubechain_apiserver.wire.registry import ResourceInfo

TOKEN_SECONDS: Final = 3600
"""Default life of a token, as in kube-apiserver."""

SHORTEST_TOKEN_SECONDS: Final = 600
"""Minimum life of a token, as in kube-apiserver."""


Answer = Callable[[JsonObject, User], JsonObject]


def _allowed(request: JsonObject, user: User) -> JsonObject:
    del request, user
    return {"allowed": True}


def _who(request: JsonObject, user: User) -> JsonObject:
    del request
    return {"userInfo": {"username": user.name, "groups": list(user.groups)}}


def _rules(request: JsonObject, user: User) -> JsonObject:
    del request, user
    return {
        "resourceRules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
        "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
        "incomplete": False,
    }


_ANSWERS: Final[Mapping[str, Answer]] = {
    "selfsubjectreviews": _who,
    "selfsubjectaccessreviews": _allowed,
    "selfsubjectrulesreviews": _rules,
    "subjectaccessreviews": _allowed,
    "localsubjectaccessreviews": _allowed,
}


def answer(info: ResourceInfo, request: JsonObject, user: User) -> JsonObject:
    """Return a review with its status filled in."""
    return {
        "kind": info.kind,
        "apiVersion": info.api_version,
        "metadata": {},
        "spec": request.get("spec", {}),
        "status": _ANSWERS[info.plural](request, user),
    }


def token_request(request: JsonObject, account: JsonObject, *, tokens: Tokens, now: float) -> JsonObject:
    """Return a TokenRequest with a new token for a service account.

    Raises:
        StatusError: The requested life is too short (422).
    """
    metadata: dict[str, Any] = account["metadata"]
    spec: JsonObject = request.get("spec") or {}
    seconds = int(spec.get("expirationSeconds") or TOKEN_SECONDS)
    if seconds < SHORTEST_TOKEN_SECONDS:
        wrong = FieldError(
            "FieldValueInvalid", "spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"
        )
        raise errors.invalid("authentication.k8s.io", "TokenRequest", "", causes=[wrong.cause()])
    expires = now + seconds
    token = tokens.issue(metadata["namespace"], metadata["name"], uid=metadata.get("uid", ""), now=now, expires=expires)
    stamp = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "kind": "TokenRequest",
        "apiVersion": "authentication.k8s.io/v1",
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata.get("uid", ""),
            "creationTimestamp": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        },
        "spec": {
            "audiences": spec.get("audiences") or [tokens.issuer],
            "expirationSeconds": seconds,
            "boundObjectRef": None,
        },
        "status": {"token": token, "expirationTimestamp": stamp},
    }
