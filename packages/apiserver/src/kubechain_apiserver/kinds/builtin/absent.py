"""Kinds that clients list on every API server, and that have no objects here.

`kubectl cluster-info` lists Services, `kubectl describe namespace` quotas, `kubectl get all` the category `all`; they
accept an empty list, and fail on a missing resource. They are read-only: nothing here runs Pods.
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
