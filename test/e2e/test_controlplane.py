"""kube-apiserver and etcd as `kubechain dev` and these tests start them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from test.e2e import processes
from test.e2e.controlplane import RealControlPlane, build
from test.e2e.processes import Program

pytestmark = pytest.mark.real


def kubectl(plane: RealControlPlane, *arguments: str) -> str:
    environment = {**plane.kubectl_env(), "KUBECACHEDIR": str(plane.folder / "kubectl-cache")}
    done = subprocess.run(["kubectl", *arguments], env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_second_start_in_one_folder_works(tmp_path: Path) -> None:
    for _ in range(2):
        with RealControlPlane(tmp_path) as plane:
            kubectl(plane, "create", "configmap", "kept")


def test_a_second_start_in_one_folder_finds_what_was_kept(tmp_path: Path) -> None:
    with RealControlPlane(tmp_path, keep_data=True) as plane:
        kubectl(plane, "create", "configmap", "kept")
    with RealControlPlane(tmp_path, keep_data=True) as plane:
        assert kubectl(plane, "get", "configmap", "kept", "-o", "name").strip() == "configmap/kept"


def test_dev_runs_on_the_programs_of_the_assets(tmp_path: Path) -> None:
    kubeconfig, port = tmp_path / "kubeconfig", processes.free_port()
    arguments = ["dev", "--control-plane=assets", f"--kubeconfig={kubeconfig}", f"--health-probe-bind-address=:{port}"]
    environment = {"KUBEBUILDER_ASSETS": str(build())}
    program = Program(arguments, tmp_path / "dev.log", f"http://127.0.0.1:{port}/readyz", environment=environment)
    program.start()
    try:
        found = subprocess.run(
            ["kubectl", "get", "taskruns,agents"],
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert found.returncode == 0, found.stderr
    finally:
        status = program.stop()
    assert status == 0, program.tail()
    assert re.search(r"KubeChain is ready after", program.log.read_text())
    assert not kubeconfig.exists()
