"""The life of the chart on a node on which nothing of ours is installed: helm install, upgrade, uninstall."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.cluster.certificates import AUTHORITIES
from hack.cluster.node import Node
from hack.image.variants import VARIANTS, name_of
from test.charts.conftest import BUILD_SECONDS, judges
from test.charts.rendering import CHART, helm, helm_homes
from test.cluster.conftest import AUTHORITY
from test.cluster.installation import SYSTEM_NAMESPACE, Installation
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, a_task, an_agent, an_llm
from test.e2e.model import MockModel

__all__ = ["judges"]

LIMIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Bare:
    """A cluster, and helm for it.

    Attributes:
        helm: Runs it with these arguments in the namespace of the release, and waits for what it makes.
    """

    cluster: Cluster
    node: Node
    helm: Callable[..., str]


@pytest.fixture
def bare(programs: Path, archives: dict[str, Path], judges: Path, tmp_path: Path) -> Iterator[Bare]:
    """A node of the other sort of CA."""
    [other] = {*AUTHORITIES} - {AUTHORITY}
    with Node(tmp_path / "node", programs=programs, authority=other, images=[*archives.values()]) as node:
        caches = {"KUBECACHEDIR": str(tmp_path / "kubectl-cache")}
        environment = {**os.environ, **helm_homes(tmp_path), **caches, "KUBECONFIG": str(node.kubeconfig)}

        def run(*arguments: str) -> str:
            where = ("--namespace", SYSTEM_NAMESPACE, "--wait", f"--timeout={LIMIT_SECONDS:.0f}s")
            return helm(judges, *arguments, *where, environment=environment)

        yield Bare(Cluster(node.kubeconfig, environment, is_real=True), node, run)


@pytest.mark.timeout(BUILD_SECONDS)
def test_runs_succeed_after_install_and_upgrade_and_uninstall_leaves_what_people_made(bare: Bare) -> None:
    tools, slim = (name_of(variant).removeprefix("docker.io/library/") for variant in VARIANTS)
    installation = Installation(bare.cluster)
    space = Namespace(bare.cluster, "people")
    bare.cluster.kubectl("create", "namespace", space.name)
    with MockModel(bare.node.listening()) as model:
        bare.helm("install", "kubechain", str(CHART), "--create-namespace")
        assert installation.images() == [tools]
        space.apply(a_secret(), an_llm(base_url=model.base_url), an_agent(), a_task("before"))
        space.finished("before-1", timeout_seconds=LIMIT_SECONDS)

        bare.helm("upgrade", "kubechain", str(CHART), "--set=replicas=2", f"--set=image.tag={slim.rpartition(':')[2]}")
        installation.wait_until_ready()
        assert installation.images() == [slim, slim]
        space.apply(a_task("after"))
        space.finished("after-1", timeout_seconds=LIMIT_SECONDS)

    bare.helm("uninstall", "kubechain")
    Namespace(bare.cluster, SYSTEM_NAMESPACE).until(
        lambda: installation.pods() == [], watch="pods", what="the managers have ended"
    )
    kept = [run["metadata"]["name"] for run in space.list("taskruns")]
    assert kept == ["after-1", "before-1"]
    space.kubectl("delete", "taskruns,tasks,agents,llms", "--all")
