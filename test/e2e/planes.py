"""Control planes: the embedded one, and one of a test's own, which it restores from a copy, as people do with etcd."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import yaml

from kubechain_apiserver.assets import AssetsControlPlane
from test.e2e.cluster import Cluster
from test.e2e.controlplane import build
from test.e2e.processes import Program, free_port


@contextmanager
def embedded(folder: Path, log: Path) -> Generator[Cluster]:
    """The embedded control plane, with our kinds and without a manager, as a process of its own."""
    kubeconfig, port = folder / "kubeconfig", free_port()
    arguments = ["dev", "--no-manager", f"--kubeconfig={kubeconfig}", f"--port={port}"]
    program = Program(arguments, log, f"https://127.0.0.1:{port}/readyz")
    program.start()
    try:
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(folder / "kubectl-cache")}
        yield Cluster(kubeconfig, environment, is_real=False)
    finally:
        program.stop()


class Plane(Protocol):
    """What a control plane is to these tests."""

    def start(self) -> object: ...

    def stop(self) -> object: ...


class Restorable:
    """A control plane whose data a test copies and puts back.

    Attributes:
        cluster: How it is reached, before and after each start.
    """

    def __init__(self, plane: Plane, data: Path, cluster: Cluster, kubeconfig: Path) -> None:
        self._plane = plane
        self._data = data
        self._kubeconfig = kubeconfig
        self.cluster = cluster

    def start(self) -> None:
        self._plane.start()
        content = yaml.safe_load(self._kubeconfig.read_text())
        content["clusters"][0]["cluster"].pop("certificate-authority-data")  # kube-apiserver has a new one each time
        content["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = True
        self.cluster.kubeconfig.write_text(yaml.safe_dump(content))

    def stop(self) -> None:
        self._plane.stop()

    def back_up(self, copy: Path) -> None:
        """Stop, copy the data, start."""
        self.stop()
        shutil.copytree(self._data, copy)
        self.start()

    def restore(self, copy: Path) -> None:
        """Stop, put the copy in the place of the data, start."""
        self.stop()
        shutil.rmtree(self._data)
        shutil.copytree(copy, self._data)
        self.start()


@contextmanager
def restorable(folder: Path, *, is_real: bool) -> Generator[Restorable]:
    """A running control plane, of etcd and kube-apiserver or the embedded one, without our kinds if it is real."""
    port, kubeconfig, ours = free_port(), folder / "kubeconfig", folder / "kubeconfig-without-authority"
    data = folder / "data"
    if is_real:
        assets = AssetsControlPlane(data, programs=build(), port=port, kubeconfig=kubeconfig, keep_data=True)
        plane, environment, data = assets, assets.kubectl_env(), data / "etcd"
    else:
        arguments = ["dev", "--no-manager", f"--data-dir={data}", f"--kubeconfig={kubeconfig}", f"--port={port}"]
        plane, environment = Program(arguments, folder / "plane.log", f"https://127.0.0.1:{port}/readyz"), os.environ
    environment = {**environment, "KUBECONFIG": str(ours), "KUBECACHEDIR": str(folder / "kubectl-cache")}
    made = Restorable(plane, data, Cluster(ours, environment, is_real=is_real), kubeconfig)
    made.start()
    try:
        yield made
    finally:
        made.stop()
