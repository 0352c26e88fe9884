"""One node, or the cluster of $KUBECONFIG, for the whole session, with the release installed in it.

KUBECHAIN_CLUSTER says which: `node` starts one of hack/cluster, `current` takes the cluster of $KUBECONFIG, into which
the image was loaded, and whose Pods reach this machine at KUBECHAIN_HOST_ADDRESS. Without it these tests are not
collected. KUBECHAIN_AUTHORITY is the sort of CA that the node has.
"""

from __future__ import annotations

import itertools
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hack.cluster import allowed, cgroups
from hack.cluster.node import Node, build
from hack.image import build as image
from hack.image.build import Wanted
from hack.image.variants import VARIANTS, name_of
from test.cluster.installation import Installation
from test.cluster.traces import left_of
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_secret, an_llm
from test.e2e.model import MockModel, Script

WHICH = os.environ.get("KUBECHAIN_CLUSTER", "")
HOST_ADDRESS = "KUBECHAIN_HOST_ADDRESS"
AUTHORITY = os.environ.get("KUBECHAIN_AUTHORITY", "lax")
"""lax breaks most; the tests of test_install have a node of the other sort beside it."""

RELEASE = Path(__file__).resolve().parents[2] / "config" / "release" / "latest.yaml"

collect_ignore_glob = [] if WHICH else ["test_*.py"]

_counter = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def programs() -> Path:
    """What a node consists of; skips where this machine cannot run one."""
    if WHICH != "node":
        pytest.skip("is about a node of hack/cluster")
    if reason := allowed.why_not():
        pytest.skip(f"this machine cannot run a node: {reason}")
    return build()


@pytest.fixture(scope="session")
def archives(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The image of the manager, by variant; skips where it cannot be built."""
    if reason := image.why_not():
        pytest.skip(f"the image cannot be built on this machine: {reason}")
    folder = tmp_path_factory.mktemp("image")
    made = {variant: folder / f"{variant}.tar" for variant in VARIANTS}
    for variant, path in made.items():
        image.build(Wanted(variant, name_of(variant), path))
    return made


@pytest.fixture(scope="session")
def archive(archives: dict[str, Path]) -> Path:
    """The variant that the release names."""
    return archives[VARIANTS[0]]


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node | None]:
    """The node of the session, of which nothing is left when it has ended; None on another cluster."""
    if WHICH == "current":
        yield None
        return
    programs, archives = request.getfixturevalue("programs"), request.getfixturevalue("archives")
    folder = tmp_path_factory.mktemp("node") / "node"
    with Node(folder, programs=programs, authority=AUTHORITY, images=[*archives.values()]) as node:
        groups = cgroups.recorded(node.places.groups)
        yield node
    assert left_of(node.places, groups) == []


@pytest.fixture(scope="session")
def cluster(node: Node | None, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster of the session."""
    kubeconfig = node.kubeconfig if node else Path(os.environ["KUBECONFIG"])
    caches = tmp_path_factory.mktemp("kubectl-cache")
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "KUBECACHEDIR": str(caches)}
    return Cluster(kubeconfig, environment, is_real=True)


@pytest.fixture(scope="session")
def installation(cluster: Cluster) -> Installation:
    """The release, Ready."""
    made = Installation(cluster)
    made.install(RELEASE)
    return made


@pytest.fixture(scope="session")
def listening(node: Node | None) -> Callable[[], socket.socket]:
    """Makes sockets on which Pods reach what a test serves."""
    return node.listening if node else _listening_for_pods


@pytest.fixture(scope="session")
def model(listening: Callable[[], socket.socket]) -> Iterator[MockModel]:
    """The provider that the tests direct; the manager's Pod reaches it."""
    with MockModel(listening()) as model:
        yield model


def _listening_for_pods() -> socket.socket:
    address = os.environ.get(HOST_ADDRESS, "")
    assert address, (
        f"{HOST_ADDRESS} must be an address of this machine that Pods reach: the model of the tests is there"
    )
    return socket.create_server((address, 0))


@pytest.fixture
def namespace(
    make_namespace: Callable[[str], Namespace], installation: Installation, request: pytest.FixtureRequest
) -> Iterator[Namespace]:
    """A namespace of the test's own, the manager running. It goes with the test, and its Pods with it."""
    namespace = make_namespace(request.node.name.removeprefix("test_"))
    yield namespace
    namespace.cluster.kubectl("delete", "namespace", namespace.name, "--wait=false")


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, with an LLM for it."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    return model[namespace.name]


@pytest.fixture(scope="session")
def make_namespace(cluster: Cluster) -> Callable[[str], Namespace]:
    """Makes namespaces with unique names."""

    def make(about: str) -> Namespace:
        name = re.sub(r"[^a-z0-9]+", "-", about.lower())[:40].strip("-")
        namespace = Namespace(cluster, f"t{next(_counter)}-{name}")
        cluster.kubectl("create", "namespace", namespace.name)
        return namespace

    return make


@pytest.fixture(scope="session")
def manager(installation: Installation) -> Installation:
    """The manager of the session, running: for tests of test/e2e that run here too."""
    return installation
