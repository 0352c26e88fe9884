"""Resources that are answered and not stored: access reviews, and tokens of service accounts.

Discovery and OpenAPI list them. Their answers are in `kinds.reviews`.
"""

from __future__ import annotations

from typing import Final

from kubechain_apiserver.wire.registry import ResourceInfo


def _review(group: str, kind: str, *, namespaced: bool = False) -> ResourceInfo:
    return ResourceInfo(
        group=group,
        version="v1",
        kind=kind,
        list_kind="",
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        namespaced=namespaced,
        verbs=("create",),
    )


RESOURCES: Final = (
    _review("authentication.k8s.io", "SelfSubjectReview"),
    _review("authorization.k8s.io", "SelfSubjectAccessReview"),
    _review("authorization.k8s.io", "SelfSubjectRulesReview"),
    _review("authorization.k8s.io", "SubjectAccessReview"),
    _review("authorization.k8s.io", "LocalSubjectAccessReview", namespaced=True),
)


def find(group: str, version: str, plural: str) -> ResourceInfo | None:
    """Return the review that a path names, or None."""
    return next((i for i in RESOURCES if (i.group, i.version, i.plural) == (group, version, plural)), None)


def subresources(info: ResourceInfo) -> tuple[str, ...]:
    """Return the subresources of a stored resource that are answered here."""
    return ("token",) if (info.group, info.plural) == ("", "serviceaccounts") else ()


def subresource_kind(info: ResourceInfo, name: str) -> dict[str, str]:
    """Return the group, version and kind of a subresource's reply."""
    if name in subresources(info):
        return {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest"}
    return {"kind": info.kind}


def subresource_verbs(info: ResourceInfo, name: str) -> tuple[str, ...]:
    """Return the verbs of a subresource that is answered here, or none."""
    return ("create",) if name in subresources(info) else ()
