"""One control plane, one manager and one mock model for the whole session; one namespace for each test.

The control plane is the embedded one, as its own process, or with `--control-plane=real` (or KUBECHAIN_E2E=real) etcd
and kube-apiserver. The tests are the same.
"""

from __future__ import annotations

import itertools
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from test import registry
from test.e2e import planes, processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.controlplane import RealControlPlane
from test.e2e.manifests import a_secret, an_llm
from test.e2e.model import MockModel, Script
from test.e2e.processes import Program
from test.e2e.servers.endpoint import Endpoint

CRDS = Path(__file__).resolve().parents[2] / "config" / "crd" / "bases"

_counter = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--control-plane",
        choices=("embedded", "real"),
        default=os.environ.get("KUBECHAIN_E2E", "embedded"),
        help="which API server the end-to-end tests drive",
    )


DEPENDENT = frozenset({"cluster", "unmanaged_cluster", "pytestconfig"})
"""Who takes none of these fixtures cannot tell one control plane from another."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    ours = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in ours:
        item.add_marker(pytest.mark.e2e)
        if item.get_closest_marker("real") and not _is_real(config):
            item.add_marker(pytest.mark.skip(reason="needs --control-plane=real"))
    if _is_real(config):
        _deselect(config, items, [item for item in ours if _is_the_same_on_each(item)])


def _is_the_same_on_each(item: pytest.Item) -> bool:
    taken = DEPENDENT.intersection(getattr(item, "fixturenames", ()))
    return not taken and item.get_closest_marker("real") is None


def _deselect(config: pytest.Config, items: list[pytest.Item], left_out: list[pytest.Item]) -> None:
    """Leave tests out: those of each control plane run without the option, and need not run again."""
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _is_real(config: pytest.Config) -> bool:
    # Without a test path of ours on the command line, pytest reads this file too late for the option to exist.
    return config.getoption("--control-plane", os.environ.get("KUBECHAIN_E2E", "embedded")) == "real"


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of what the programs print."""
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, logs: Path) -> Iterator[Cluster]:
    """The control plane of the session, with our kinds installed."""
    folder = tmp_path_factory.mktemp("plane")
    yield from _real(folder) if _is_real(pytestconfig) else _embedded(folder, logs / "control-plane.log")


@pytest.fixture(scope="session")
def unmanaged_cluster(
    pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory, logs: Path
) -> Iterator[Cluster]:
    """Another one, which no manager looks after: what a test writes there stays as it is."""
    folder = tmp_path_factory.mktemp("unmanaged")
    yield from _real(folder) if _is_real(pytestconfig) else _embedded(folder, logs / "unmanaged.log")


def _real(folder: Path) -> Iterator[Cluster]:
    with RealControlPlane(folder) as plane:
        environment = {**plane.kubectl_env(), "KUBECACHEDIR": str(folder / "kubectl-cache")}
        cluster = Cluster(plane.kubeconfig, environment, is_real=True)
        cluster.kubectl("apply", "-f", str(CRDS))
        cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        plane.rediscover()
        yield cluster


def _embedded(folder: Path, log: Path) -> Iterator[Cluster]:
    assert shutil.which("kubectl"), "kubectl is needed on the PATH"
    with planes.embedded(folder, log) as cluster:
        yield cluster


UVX = """#!/bin/sh
program=$1
shift
exec {folder}/$program "$@"
"""
"""Starts what is installed here under that name, on a machine without a package registry."""


@pytest.fixture(scope="session")
def child_tools(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """PATH and caches of managers: MCP servers are fetched by the real `uvx` where a package registry is in reach.

    Elsewhere a stand-in starts those that this environment pins. The summary of the tests says which of the two it was.
    """
    if not registry.why_not_pypi():
        folder = registry.UVX.parent
    else:
        folder = tmp_path_factory.mktemp("bin")
        (folder / "uvx").write_text(UVX.format(folder=Path(sys.executable).parent))
        (folder / "uvx").chmod(0o755)
    return registry.environment() | {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if registry.why_not_pypi.cache_info().currsize:
        why_not = registry.why_not_pypi()
        terminalreporter.line(f"uvx: a stand-in, since {why_not}" if why_not else "uvx: the real one")


@pytest.fixture(scope="session")
def manager(cluster: Cluster, logs: Path, child_tools: dict[str, str]) -> Iterator[Program]:
    """The manager of the session, running; a test that kills it must start it again."""
    # HTTP tools of the tests are on loopback, which no manager lets them reach unless it is told so.
    allowed = "--allow-addresses=127.0.0.0/8"
    program = processes.manager(cluster.kubeconfig, logs / "manager.log", allowed, environment=child_tools)
    program.start()
    yield program
    assert program.stop() == 0, program.tail()


@pytest.fixture
def alone(
    make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest, manager: Program
) -> Iterator[Namespace]:
    """A namespace of the test's own, in which the session's manager does not work."""
    assert manager.stop() == 0
    yield make_namespace(request.node.name.removeprefix("test_"))
    manager.start()


@pytest.fixture(scope="session")
def model() -> Iterator[MockModel]:
    """The provider that the tests direct."""
    with MockModel() as model:
        yield model


@pytest.fixture
def script(namespace: Namespace, model: MockModel) -> Script:
    """The model of this test, with an LLM for it."""
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name))
    return model[namespace.name]


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Where HTTP tools go."""
    with Endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def running_again(manager: Program) -> Iterator[None]:
    """Leave a running manager to the next test, whatever happened in this one."""
    yield
    if manager.popen is None:
        manager.start()


@pytest.fixture(scope="session")
def make_namespace(cluster: Cluster) -> Callable[[str], Namespace]:
    """Makes namespaces with unique names."""
    return partial(_new_namespace, cluster)


@pytest.fixture(scope="session")
def make_unmanaged_namespace(unmanaged_cluster: Cluster) -> Callable[[str], Namespace]:
    """Makes namespaces in which no manager touches anything."""
    return partial(_new_namespace, unmanaged_cluster)


def _new_namespace(cluster: Cluster, test: str) -> Namespace:
    name = f"e2e-{next(_counter)}-{re.sub(r'[^a-z0-9]+', '-', test.lower())[:40].strip('-')}"
    cluster.kubectl("create", "namespace", name)
    return Namespace(cluster, name)


@pytest.fixture
def namespace(
    make_namespace: Callable[[str], Namespace], request: pytest.FixtureRequest, manager: Program
) -> Iterator[Namespace]:
    """A namespace of the test's own, the manager running.

    Its MCP servers go with the test: each manager that a later test starts would start their programs again.
    """
    assert manager.popen is not None
    namespace = make_namespace(request.node.name.removeprefix("test_"))
    yield namespace
    namespace.kubectl("delete", "mcpserver", "--all", "--wait=false")
