"""A Kubernetes-compatible API server in one process, for laptops, demos and tests.

    async with ControlPlane(folder) as plane:
        plane.install_crd(definition)
        ...  # kubectl --kubeconfig {plane.kubeconfig_path}

What is imported here is the public interface; everything else may change. README.md names the rooms below and their
order.
"""

from __future__ import annotations

from kubechain_apiserver.assets import AssetsControlPlane
from kubechain_apiserver.assets import StartError as AssetsError
from kubechain_apiserver.assets import programs_of as assets_of
from kubechain_apiserver.controlplane import ControlPlane
from kubechain_apiserver.engine.engine import Engine
from kubechain_apiserver.http.faults import Faults
from kubechain_apiserver.http.faults_file import FaultsFileError
from kubechain_apiserver.http.faults_file import read as read_faults
from kubechain_apiserver.http.inprocess import InProcessExchange
from kubechain_apiserver.http.kubeconfig import CONTEXT as KUBECONFIG_CONTEXT
from kubechain_apiserver.http.server import PortInUseError
from kubechain_apiserver.store.environment import SeededEnvironment
from kubechain_apiserver.store.history import Change
from kubechain_apiserver.store.sqlite import StorageError, StorageInUseError

__all__ = [
    "KUBECONFIG_CONTEXT",
    "AssetsControlPlane",
    "AssetsError",
    "Change",
    "ControlPlane",
    "Engine",
    "Faults",
    "FaultsFileError",
    "InProcessExchange",
    "PortInUseError",
    "SeededEnvironment",
    "StorageError",
    "StorageInUseError",
    "assets_of",
    "read_faults",
]
