"""A node of hack/cluster ends without a trace, however the process that started it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hack.cluster import cgroups, node
from hack.cluster.node import ROOT, Node, NodeError
from hack.cluster.places import Places
from test.cluster.traces import left_of

STARTER = """
import sys
from pathlib import Path
from hack.cluster.node import Node
with Node(Path(sys.argv[1]), programs=Path(sys.argv[2])):
    print("started", flush=True)
    sys.stdin.read()
"""


def test_a_pod_runs_and_resolves_names_of_the_cluster(programs: Path, tmp_path: Path) -> None:
    with Node(tmp_path / "node", programs=programs) as made:
        kubectl = ["kubectl", f"--kubeconfig={made.kubeconfig}"]
        command = ["run", "names", "--image=busybox:1", "--restart=Never", "--", "nslookup", "-type=a"]
        subprocess.run([*kubectl, *command, "kubernetes.default.svc.cluster.local"], check=True)
        wait = ["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/names", "--timeout=60s"]
        subprocess.run([*kubectl, *wait], check=True)
        log = subprocess.run([*kubectl, "logs", "names"], check=True, capture_output=True, text=True).stdout
        assert "Address: 10.96.0.1" in log
        groups = cgroups.recorded(made.places.groups)
    assert left_of(made.places, groups) == []


def test_a_node_in_a_folder_that_is_taken_is_refused(programs: Path, tmp_path: Path) -> None:
    with Node(tmp_path / "node", programs=programs), pytest.raises(NodeError, match="a node runs in"):
        Node(tmp_path / "node", programs=programs).start()


@pytest.mark.parametrize("whom", ["the starter", "the keeper"])
def test_nothing_is_left_when_somebody_is_killed(programs: Path, tmp_path: Path, whom: str) -> None:
    places = Places(tmp_path / "node", programs)
    command = [sys.executable, "-c", STARTER, str(places.folder), str(programs)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as starter:
        assert starter.stdout is not None
        assert starter.stdout.readline() == b"started\n"
        groups = cgroups.recorded(places.groups)
        assert groups
        os.kill(starter.pid if whom == "the starter" else _keeper(starter.pid), signal.SIGKILL)
        node.wait_until_swept(places)
        starter.kill()
    assert left_of(places, groups) == []


def _keeper(starter: int) -> int:
    [keeper] = Path(f"/proc/{starter}/task/{starter}/children").read_text().split()
    return int(keeper)
