"""Kinds that clients ask every API server about, and of which there is never an object here.

`kubectl cluster-info` looks for Services, `kubectl describe namespace` for quotas, `kubectl get all` for a category;
each takes an empty list well and a missing kind badly. They can be read only: nothing here runs pods.
"""

from __future__ import annotations

from kubechain_apiserver.wire.registry import ResourceInfo


def _absent(kind: str, short_name: str, *categories: str) -> ResourceInfo:
    return ResourceInfo(
        group="",
        version="v1",
        kind=kind,
        list_kind=f"{kind}List",
        plural=f"{kind.lower()}s",
        singular=kind.lower(),
        short_names=(short_name,),
        categories=categories,
        verbs=("get", "list", "watch"),
    )


INFOS = (
    _absent("LimitRange", "limits"),
    _absent("Pod", "po", "all"),
    _absent("ResourceQuota", "quota"),
    _absent("Service", "svc", "all"),
)
