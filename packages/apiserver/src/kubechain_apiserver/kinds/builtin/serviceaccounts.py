"""ServiceAccount: stored without further rules."""

from __future__ import annotations

from kubechain_apiserver.kinds.builtin import shapes
from kubechain_apiserver.wire.registry import ResourceInfo

_REFERENCE = {"type": "object", "properties": {"name": shapes.text("Name of the referent.")}}

INFO = ResourceInfo(
    group="",
    version="v1",
    kind="ServiceAccount",
    list_kind="ServiceAccountList",
    plural="serviceaccounts",
    singular="serviceaccount",
    short_names=("sa",),
    schema=shapes.resource(
        "ServiceAccount binds together a name, understood by users, and a principal that can be authenticated.",
        automountServiceAccountToken=shapes.boolean("Whether pods running as it have an API token mounted."),
        imagePullSecrets=shapes.array(_REFERENCE, "Secrets to use for pulling any images."),
        secrets=shapes.array(
            shapes.object_reference(),
            "Secrets in the same namespace that pods running using this ServiceAccount are allowed to use.",
            **{
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "x-kubernetes-patch-strategy": "merge",
                "x-kubernetes-patch-merge-key": "name",
            },
        ),
    ),
)
