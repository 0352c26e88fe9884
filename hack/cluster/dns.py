"""The DNS of the cluster: CoreDNS in a Pod of kube-system, where NetworkPolicies look for it. Pure.

There is no image of it. The Pod is one of busybox, into which the program that was built is mounted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hack.cluster.places import BUSYBOX_IMAGE, DNS_SERVICE, Places

NAMESPACE = "kube-system"
DEPLOYMENT = "coredns"

COREFILE = ".:53 {\n  errors\n  kubernetes cluster.local in-addr.arpa\n}\n"
"""No other name resolves: a pull of an image that is not here fails at once."""

_LABELS = {"k8s-app": "kube-dns"}
_PROTOCOLS = {"dns": "UDP", "dns-tcp": "TCP"}
_READS = [
    {"apiGroups": [""], "resources": ["endpoints", "namespaces", "pods", "services"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def objects(places: Places) -> Mapping[str, Any]:
    """Return what `kubectl apply` makes."""
    account = {"kind": "ServiceAccount", "name": DEPLOYMENT, "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    service = {"clusterIP": DNS_SERVICE, "selector": _LABELS, "ports": _ports("port")}
    items = [
        _object("v1", "ServiceAccount", DEPLOYMENT),
        _object("rbac.authorization.k8s.io/v1", "ClusterRole", role["name"], rules=_READS),
        _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", role["name"], roleRef=role, subjects=[account]),
        _object("v1", "ConfigMap", DEPLOYMENT, data={"Corefile": COREFILE}),
        _object("v1", "Service", "kube-dns", spec=service),
        _object("apps/v1", "Deployment", DEPLOYMENT, spec=_deployment(places)),
    ]
    return {"apiVersion": "v1", "kind": "List", "items": items}


def _object(api_version: str, kind: str, name: str, **rest: Any) -> dict[str, Any]:
    place = {} if kind.startswith("Cluster") else {"namespace": NAMESPACE}
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **place}, **rest}


def _ports(key: str) -> list[dict[str, Any]]:
    return [{"name": name, key: 53, "protocol": protocol} for name, protocol in _PROTOCOLS.items()]


def _deployment(places: Places) -> dict[str, Any]:
    container = {
        "name": "coredns",
        "image": BUSYBOX_IMAGE,
        "command": ["/coredns", "-conf", "/etc/coredns/Corefile"],
        "ports": _ports("containerPort"),
        "readinessProbe": {"tcpSocket": {"port": "dns-tcp"}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "program", "mountPath": "/coredns", "readOnly": True},
            {"name": "config", "mountPath": "/etc/coredns", "readOnly": True},
        ],
    }
    pod = {
        "serviceAccountName": DEPLOYMENT,
        "priorityClassName": "system-cluster-critical",
        "dnsPolicy": "Default",
        "containers": [container],
        "volumes": [
            # It acts as the program it is called as, hence the name that it is mounted under.
            {"name": "program", "hostPath": {"path": str(places.program("node")), "type": "File"}},
            {"name": "config", "configMap": {"name": DEPLOYMENT}},
        ],
    }
    template = {"metadata": {"labels": _LABELS}, "spec": pod}
    return {"selector": {"matchLabels": _LABELS}, "template": template}
