"""The command lines and configurations of the programs of a node. Pure, but for `write`."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from hack.cluster.certificates import Authority, write_key
from hack.cluster.places import (
    API_PORT,
    API_SERVICE,
    CONTAINERD_SOCKET,
    DNS_SERVICE,
    NODE_ADDRESS,
    NODE_NAME,
    PAUSE_IMAGE,
    POD_NETWORK,
    SERVICE_NETWORK,
    Places,
)

USERS = {
    "admin": ("admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", ""),
    "kubelet": (f"system:node:{NODE_NAME}", "system:nodes"),
    "proxy": ("system:kube-proxy", ""),
    "router": ("kube-router", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
}
"""User and group of each client of the API server."""


def write(places: Places, authority: str, port: int) -> None:
    """Write keys, certificates, kubeconfigs and configurations.

    Args:
        places: Of the node.
        authority: One of `certificates.AUTHORITIES`.
        port: On loopback of this machine, by which clients outside of the node reach the API server.
    """
    _write_certificates(places, authority)
    inside = f"https://{NODE_ADDRESS}:{API_PORT}"
    for user in USERS:
        _write_private(places, f"{user}.kubeconfig", _kubeconfig(places, user, inside))
    _write_private(places, "kubeconfig", _kubeconfig(places, "admin", f"https://127.0.0.1:{port}"))
    (places.folder / "cni").mkdir(exist_ok=True)
    (places.folder / "cni" / "10-bridge.conflist").write_text(json.dumps(_network()))
    (places.folder / "containerd.toml").write_text(_containerd(places))
    (places.folder / "kubelet.json").write_text(json.dumps(_kubelet(places)))
    (places.folder / "proxy.json").write_text(json.dumps(_proxy(places)))


def etcd(places: Places) -> list[str]:
    client, peer = "http://127.0.0.1:2379", "http://127.0.0.1:2380"
    return [
        f"--data-dir={places.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def apiserver(places: Places) -> list[str]:
    pki = places.pki
    return [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={NODE_ADDRESS}",
        f"--secure-port={API_PORT}",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/kubelet-client.crt",
        f"--kubelet-client-key={pki}/kubelet-client.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki}/service-accounts.key",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
    ]


def controller_manager(places: Places) -> list[str]:
    return [
        f"--kubeconfig={places.kubeconfig_of('controller-manager')}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--root-ca-file={places.pki}/ca.crt",
        f"--service-account-private-key-file={places.pki}/service-accounts.key",
        "--use-service-account-credentials=true",
        f"--cluster-cidr={POD_NETWORK}",
        "--allocate-node-cidrs=false",
        f"--cert-dir={places.folder / 'controller-manager'}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def scheduler(places: Places) -> list[str]:
    return [
        f"--kubeconfig={places.kubeconfig_of('scheduler')}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        f"--cert-dir={places.folder / 'scheduler'}",
    ]


def containerd(places: Places) -> list[str]:
    return ["--config", str(places.folder / "containerd.toml")]


def kubelet(places: Places) -> list[str]:
    return [
        f"--config={places.folder / 'kubelet.json'}",
        f"--kubeconfig={places.kubeconfig_of('kubelet')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
        f"--cert-dir={places.folder / 'kubelet'}",
        "--v=2",
    ]


def proxy(places: Places) -> list[str]:
    return [f"--config={places.folder / 'proxy.json'}"]


def router(places: Places) -> list[str]:
    return [
        f"--kubeconfig={places.kubeconfig_of('router')}",
        f"--hostname-override={NODE_NAME}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
    ]


def _write_certificates(places: Places, kind: str) -> None:
    authority = Authority(places.pki, kind)
    hosts = ["kubernetes.default.svc", "kubernetes.default", "kubernetes", "localhost", "127.0.0.1"]
    authority.sign("apiserver", "kube-apiserver", hosts=[*hosts, NODE_ADDRESS, API_SERVICE])
    authority.sign("kubelet-client", "apiserver-kubelet-client", group="system:masters")
    for file, (name, group) in USERS.items():
        authority.sign(file, name, group=group)
    write_key(places.pki / "service-accounts.key")


def _write_private(places: Places, name: str, content: Mapping[str, Any]) -> None:
    path = places.folder / name
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))


def _kubeconfig(places: Places, user: str, server: str) -> dict[str, Any]:
    def encoded(name: str) -> str:
        return base64.b64encode((places.pki / name).read_bytes()).decode()

    credentials = {"client-certificate-data": encoded(f"{user}.crt"), "client-key-data": encoded(f"{user}.key")}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "node",
        "clusters": [{"name": "node", "cluster": {"server": server, "certificate-authority-data": encoded("ca.crt")}}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": "node", "context": {"cluster": "node", "user": user, "namespace": "default"}}],
    }


def _network() -> dict[str, Any]:
    ranges = {"type": "host-local", "dataDir": "/var/lib/cni/networks", "ranges": [[{"subnet": POD_NETWORK}]]}
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipMasq": False,
        "ipam": {**ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    return {"cniVersion": "1.0.0", "name": "node", "plugins": [bridge, ports]}


def _containerd(places: Places) -> str:
    # No score may be lowered without CAP_SYS_RESOURCE, hence restrict_oom_score_adj. A pull without progress is broken
    # off sooner than after the 5 minutes that are usual, so that a test can wait for it.
    return f"""version = 3
root = "{places.folder}/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.blockfile", "io.containerd.snapshotter.v1.erofs",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.internal.v1.tracing", "io.containerd.nri.v1.nri",
]
[grpc]
  address = "{CONTAINERD_SOCKET}"
[plugins."io.containerd.cri.v1.images"]
  snapshotter = "overlayfs"
  image_pull_progress_timeout = "60s"
  [plugins."io.containerd.cri.v1.images".registry]
    config_path = "{places.registries}"
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "{PAUSE_IMAGE}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.cri.v1.runtime".cni]
    bin_dirs = ["{places.programs}"]
    conf_dir = "{places.folder}/cni"
  [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
      BinaryName = "runc"
      SystemdCgroup = false
"""


def _kubelet(places: Places) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": f"{places.pki}/ca.crt"},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "featureGates": {"KubeletInUserNamespace": True},  # for want of CAP_SYS_RESOURCE
        "resolvConf": f"{places.folder}/resolv.conf",
        "clusterDNS": [DNS_SERVICE],
        "clusterDomain": "cluster.local",
        "volumePluginDir": f"{places.folder}/volume-plugins",
        # A shared machine may have little left: nothing is to be evicted for that.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1Gi", "imagefs.available": "1Gi"},
        "imageGCHighThresholdPercent": 100,
        "serializeImagePulls": False,
        "maxPods": 100,
        "shutdownGracePeriod": "0s",
    }


def _proxy(places: Places) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        "hostnameOverride": NODE_NAME,
        "clientConnection": {"kubeconfig": str(places.kubeconfig_of("proxy"))},
        # These are settings of the whole machine: 0 leaves them alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
