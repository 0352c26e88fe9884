"""`kubectl apply -f config/release/latest.yaml` on a node: the manager gets Ready, whatever the CA, and stays."""

from __future__ import annotations

import os
from pathlib import Path

from hack.cluster.node import Node
from test.cluster.conftest import RELEASE
from test.cluster.installation import Installation
from test.e2e.cluster import Cluster


def test_the_manager_gets_ready_with_a_ca_as_openssl_makes_it(installation: Installation) -> None:
    [pod] = installation.pods()
    [container] = pod["status"]["containerStatuses"]
    assert container["ready"]


def test_the_manager_gets_ready_with_a_strict_ca(programs: Path, archive: Path, tmp_path: Path) -> None:
    with Node(tmp_path / "node", programs=programs, authority="strict", images=[archive]) as node:
        Installation(
            Cluster(node.kubeconfig, {**os.environ, "KUBECONFIG": str(node.kubeconfig)}, is_real=True)
        ).install(RELEASE)


def test_nothing_is_forbidden_to_it_and_nothing_goes_wrong(installation: Installation) -> None:
    log = installation.log()
    assert "forbidden" not in log.lower()
    assert '"level":"error"' not in log
    assert '"level":"warning"' not in log
