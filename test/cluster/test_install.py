"""`kubectl apply -f config/release/latest.yaml` on a node: the manager gets Ready, whatever the CA, and stays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hack.cluster.certificates import AUTHORITIES
from hack.cluster.node import Node
from test.cluster.conftest import AUTHORITY, RELEASE
from test.cluster.installation import Installation
from test.e2e.cluster import Cluster

pytestmark = pytest.mark.smoke


@pytest.fixture
def elsewhere(programs: Path, archive: Path, tmp_path: Path) -> Iterator[Installation]:
    """The release on a node of the other sort of CA."""
    [other] = {*AUTHORITIES} - {AUTHORITY}
    with Node(tmp_path / "node", programs=programs, authority=other, images=[archive]) as node:
        environment = {**os.environ, "KUBECONFIG": str(node.kubeconfig)}
        made = Installation(Cluster(node.kubeconfig, environment, is_real=True))
        made.install(RELEASE)
        yield made


@pytest.mark.parametrize("authority", AUTHORITIES)
def test_the_manager_gets_ready_with_a_ca_that_is(authority: str, request: pytest.FixtureRequest) -> None:
    made: Installation = request.getfixturevalue("installation" if authority == AUTHORITY else "elsewhere")
    [pod] = made.pods()
    [container] = pod["status"]["containerStatuses"]
    assert container["ready"]
    assert container["restartCount"] == 0


def test_nothing_is_forbidden_to_it_and_nothing_goes_wrong(installation: Installation) -> None:
    log = installation.log()
    assert "forbidden" not in log.lower()
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert lines
    # What becomes of the objects of people is theirs: an Agent whose Tool is deleted before it is in error.
    own = [line for line in lines if line["message"] != "transition"]
    assert [line for line in own if line["level"] in ("warning", "error")] == []
