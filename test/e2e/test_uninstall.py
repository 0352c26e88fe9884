"""Uninstalling in any order with everything in flight: nothing stays Terminating, or the guide has the way out.

Each order has a control plane of its own, since the definitions go too.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kubechain.api.kinds import ALL_KINDS
from test.e2e import guides, processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.conftest import CRDS
from test.e2e.manifests import (
    API_VERSION,
    a_builtin,
    a_secret,
    a_tool,
    an_agent,
    an_api_tool,
    an_llm,
    an_mcp_server,
    refs,
)
from test.e2e.model import Answer, Ask, Call, MockModel, asks
from test.e2e.planes import restorable
from test.e2e.processes import Program
from test.e2e.servers import peers
from test.e2e.servers.endpoint import Endpoint
from test.e2e.servers.peers import Ledger
from test.e2e.slackserver import a_slack_server
from test.e2e.test_release_real import SYSTEM_NAMESPACE, kubeconfig_of
from test.e2e.test_slack import a_channel

ROOT = Path(__file__).resolve().parents[2]
GUIDE = ROOT / "docs" / "guides" / "uninstall.md"
RELEASE = ROOT / "config" / "release" / "latest.yaml"
WORK = "work"
ALLOWED = "--allow-addresses=127.0.0.0/8"
"""HTTP tools and channels of these tests are on loopback."""

GOES_SECONDS = 100.0
"""How long what is deleted may take: a deleted request waits for its channel, and a claim runs out."""

BUDGET, CALL, REQUEST = (f"kubechain.humanlayer.dev/{name}" for name in ("budget", "tool-call", "human-request"))

HELD = {
    **dict.fromkeys(("taskrun/finished", "taskrun/thinking", "taskrun/calling", "taskrun/asking"), BUDGET),
    "taskruntoolcall/calling-t0-c0": CALL,
    "humanrequest/asking-t0-c0": REQUEST,
}
"""What has a finalizer while everything is in flight; the call that is asked about is one of a builtin."""

IN_A_JOB = {"taskrun/boxed": BUDGET, "taskruntoolcall/boxed-t0-c0": CALL}
"""The same of a container: the embedded API server has no Jobs."""


@dataclass(frozen=True, slots=True)
class Installed:
    """Our kinds on a control plane, a manager, and a namespace in which everything is in flight."""

    cluster: Cluster
    manager: Program
    ledger: Ledger
    folder: Path

    def work(self) -> Namespace:
        return Namespace(self.cluster, WORK)

    def held(self) -> dict[str, str]:
        """What is in flight here, with its finalizers."""
        return HELD | (IN_A_JOB if self.cluster.is_real else {})

    def stop(self) -> None:
        """The manager goes, and nobody starts another one."""
        if self.manager.popen is not None:
            assert self.manager.stop() == 0

    def follow(self, title: str) -> None:
        """Type the commands of a section of the guide."""
        with guides.Shell(self.folder, self.cluster.environment) as shell:
            for command in guides.commands(guides.section(GUIDE, title)):
                shell.run(command)

    def delete_objects(self) -> None:
        """As the guide says, without waiting."""
        self.cluster.kubectl("delete", "kubechain", "--all", "--all-namespaces", "--wait=false")

    def delete_namespace(self) -> None:
        self.cluster.kubectl("delete", "namespace", WORK, "--wait=false")

    def delete_definitions(self) -> None:
        self.cluster.kubectl("delete", "-f", str(CRDS), "--wait=false", "--ignore-not-found")

    def let_go(self) -> None:
        """The guide's way out, until it has nothing to do."""
        write, run = guides.commands(guides.section(GUIDE, "Something stays Terminating"))
        with guides.Shell(self.folder, self.cluster.environment) as shell:
            for _ in range(20):
                shell.run(write)
                if not (self.folder / "let-go.sh").read_text():
                    return
                shell.run(run)
        raise AssertionError("it has something to do again and again")

    def objects(self) -> list[dict[str, Any]]:
        """The objects of ours that are left."""
        return [one for name in self.definitions() for one in self._of_kind(name)]

    def definitions(self) -> list[str]:
        """The definitions of ours that are left."""
        names = self.cluster.kubectl("get", "crd", "-o", "name").lines
        return [name.partition("/")[2] for name in names if "kubechain" in name]

    def _of_kind(self, name: str) -> list[dict[str, Any]]:
        """The objects of a kind; none where its definition has gone meanwhile."""
        command = ["kubectl", "get", name, "--all-namespaces", "-o", "json"]
        done = subprocess.run(command, env=dict(self.cluster.environment), capture_output=True, text=True, check=False)
        return json.loads(done.stdout)["items"] if done.returncode == 0 else []

    def wait_until_gone(self, what: str) -> None:
        """Wait for the end of `objects`, `namespace` or `definitions`."""
        match what:
            case "objects":
                Namespace(self.cluster, "default").until(
                    lambda: self.objects() == [],
                    watch="configmaps",
                    what="all objects are gone",
                    timeout_seconds=GOES_SECONDS,
                )
            case "namespace":
                self.cluster.kubectl("wait", "--for=delete", f"namespace/{WORK}", f"--timeout={GOES_SECONDS:.0f}s")
            case _:
                for name in self.definitions():
                    self.cluster.kubectl("wait", "--for=delete", f"crd/{name}", f"--timeout={GOES_SECONDS:.0f}s")


@pytest.fixture
def installed(cluster: Cluster, model: MockModel, endpoint: Endpoint, tmp_path: Path) -> Iterator[Installed]:
    with a_plane(tmp_path, is_real=cluster.is_real) as own, a_slack_server() as slack:
        apply(own, CRDS)
        manager = processes.manager(own.kubeconfig, tmp_path / "manager.log", ALLOWED)
        found = Installed(own, manager, Ledger(tmp_path / "ledger"), tmp_path)
        with in_flight(found, model, endpoint, a_channel(slack)):
            yield found


@pytest.fixture
def released(model: MockModel, endpoint: Endpoint, tmp_path: Path) -> Iterator[Installed]:
    """The release, with its policies, and its manager under exactly its rights."""
    with a_plane(tmp_path, is_real=True) as own, a_slack_server() as slack:
        apply(own, RELEASE)
        manager = processes.manager(
            kubeconfig_of(own, "kubechain-manager", tmp_path),
            tmp_path / "manager.log",
            ALLOWED,
            "--leader-elect",
            f"--leader-election-namespace={SYSTEM_NAMESPACE}",
        )
        found = Installed(own, manager, Ledger(tmp_path / "ledger"), tmp_path)
        with in_flight(found, model, endpoint, a_channel(slack)):
            yield found


@contextmanager
def a_plane(tmp_path: Path, *, is_real: bool) -> Generator[Cluster]:
    folder = tmp_path / "plane"
    folder.mkdir()
    with restorable(folder, is_real=is_real) as plane:
        yield plane.cluster


def apply(cluster: Cluster, manifests: Path) -> None:
    """Install, and list each kind once.

    kube-apiserver 1.37 fills a cache at the first use of a kind, and cannot remove a definition before.
    """
    cluster.kubectl("apply", "-f", str(manifests))
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    for kind in ALL_KINDS:
        cluster.kubectl("get", "--raw", f"/apis/{API_VERSION}/{kind.plural}")
    cluster.kubectl("create", "namespace", WORK)


@contextmanager
def in_flight(
    installed: Installed, model: MockModel, endpoint: Endpoint, channel: Sequence[Mapping[str, Any]]
) -> Generator[None]:
    """Start the manager, and a run of each sort: finished, with its model, and with calls of several sorts."""
    installed.manager.start()
    try:
        with working(installed, model, endpoint, channel):
            yield
    finally:
        installed.manager.kill()


@contextmanager
def working(
    installed: Installed, model: MockModel, endpoint: Endpoint, channel: Sequence[Mapping[str, Any]]
) -> Generator[None]:
    space, name = installed.work(), installed.folder.name
    model[name].respond = the_first_tool
    box = {"container": {"image": "busybox", "command": ["sleep", "600"]}}
    space.apply(
        a_secret(),
        an_llm(base_url=model.base_url, model=name),
        an_llm("slow", base_url=model.base_url, model=f"{name}-slow"),
        {"apiVersion": API_VERSION, "kind": "Budget", "metadata": {"name": "all"}, "spec": {"maxTokens": 1_000_000}},
        *channel,
        an_mcp_server("desk", **peers.over_stdio(installed.ledger)),
        an_api_tool("pay", url=endpoint.url("/hold"), method="POST"),
        a_tool("box", toolType="container", execute=box),
        a_builtin("add", approvalContactChannel={"name": "ops"}),
        an_agent("plain"),
        an_agent("slow", llm="slow"),
        *(an_agent(tool, tools=refs(tool)) for tool in ("pay", "box", "add")),
    )
    space.wait("contactchannel/ops", "{.status.ready}", "true")
    space.wait("mcpserver/desk", "{.status.connected}", "true")
    agents = {"finished": "plain", "thinking": "slow", "calling": "pay", "asking": "add"}
    agents |= {"boxed": "box"} if installed.cluster.is_real else {}
    with model[f"{name}-slow"].held():
        space.apply(*(a_run(run, agent) for run, agent in agents.items()))
        space.finished("finished")
        model[f"{name}-slow"].wait_for_call()
        endpoint.wait_for_hit()
        space.wait("hr/asking-t0-c0", "{.status.deliveries[0].state}", "Sent")
        for target, finalizer in installed.held().items():
            space.wait(target, "{.metadata.finalizers[0]}", finalizer)
        yield


def a_run(name: str, agent: str) -> dict[str, Any]:
    spec = {"agentRef": {"name": agent}, "userMessage": "Go."}
    return {"apiVersion": API_VERSION, "kind": "TaskRun", "metadata": {"name": name}, "spec": spec}


def the_first_tool(call: Call) -> Answer:
    if not call.tools or call.messages[-1]["role"] == "tool":
        return "Done."
    arguments: dict[str, dict[str, Any]] = {"pay": {"text": "1"}, "add": {"a": 1, "b": 2}}
    return asks(Ask(call.tools[0], arguments.get(call.tools[0], {})))


ORDERS: Mapping[str, Sequence[str]] = {
    "as the guide advises": ("follow the guide", "gone", "stop", "delete definitions"),
    "manager, objects, definitions": ("stop", "delete objects", "held", "let go", "gone", "delete definitions"),
    "definitions, and the manager runs": ("delete definitions",),
    "manager, definitions": ("stop", "delete definitions", "held", "let go"),
    "namespace, and the manager runs": ("delete namespace", "no namespace", "stop", "delete definitions"),
    "manager, namespace": ("stop", "delete namespace", "held", "let go", "no namespace", "delete definitions"),
    "manager, namespace, and another manager": (
        "stop",
        "delete namespace",
        "held",
        "start",
        "no namespace",
        "stop",
        "delete definitions",
    ),
}


@pytest.fixture
def order(request: pytest.FixtureRequest, cluster: Cluster) -> Sequence[str]:
    """The steps of a test; skips those that a control plane of etcd and kube-apiserver alone cannot end."""
    if cluster.is_real and "no namespace" in request.param:
        pytest.skip("the namespace controller, which ends namespaces, is in kube-controller-manager")
    return request.param


@pytest.mark.timeout(300)
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys(), indirect=True)
def test_nothing_is_left_in_any_order(order: Sequence[str], installed: Installed) -> None:
    for step in order:
        take(step, installed)
    installed.wait_until_gone("definitions")
    assert installed.definitions() == []
    installed.stop()
    assert installed.ledger.living() == set(), "the programs of MCP servers are ended"


def take(step: str, installed: Installed) -> None:
    match step:
        case "stop":
            installed.stop()
        case "start":
            installed.manager.start()
        case "follow the guide":
            installed.follow("The order in which nothing waits")
        case "delete objects":
            installed.delete_objects()
        case "delete namespace":
            installed.delete_namespace()
        case "delete definitions":
            installed.delete_definitions()
        case "gone":
            installed.wait_until_gone("objects")
        case "no namespace":
            installed.wait_until_gone("namespace")
        case "held":
            wait_until_only_what_is_held_is_left(installed)
        case _:
            assert step == "let go"
            installed.let_go()


def wait_until_only_what_is_held_is_left(installed: Installed) -> None:
    """Without a manager each object that waits has a finalizer of ours, as the guide's table says."""

    def is_reached() -> bool:
        left = installed.objects()
        return bool(left) and all(held_by(one) for one in left)

    Namespace(installed.cluster, "default").until(
        is_reached, watch="configmaps", what="only what a finalizer holds is left", timeout_seconds=GOES_SECONDS
    )
    left = {f"{one['kind'].lower()}/{one['metadata']['name']}": held_by(one) for one in installed.objects()}
    assert left == {name: [finalizer] for name, finalizer in installed.held().items()}


def held_by(item: Mapping[str, Any]) -> list[str]:
    """Our finalizers of an object."""
    return [one for one in item["metadata"].get("finalizers", []) if one.startswith("kubechain.humanlayer.dev/")]


@pytest.mark.timeout(300)
def test_the_way_out_leaves_alone_what_nobody_deletes_and_finalizers_of_others(installed: Installed) -> None:
    space = installed.work()
    installed.stop()
    patch = '{"metadata":{"finalizers":["example.com/first","kubechain.humanlayer.dev/budget","example.com/last"]}}'
    space.kubectl("patch", "taskrun", "finished", "--type=merge", "--patch", patch)
    space.kubectl("delete", "taskrun", "finished", "--wait=false")
    installed.let_go()
    assert space.get("taskrun", "finished")["metadata"]["finalizers"] == ["example.com/first", "example.com/last"]
    thinking = space.get("taskrun", "thinking")["metadata"]
    assert thinking["finalizers"] == [HELD["taskrun/thinking"]]
    assert "deletionTimestamp" not in thinking


@pytest.mark.real
@pytest.mark.timeout(300)
def test_the_managers_namespace_goes_first(released: Installed) -> None:
    released.cluster.kubectl("delete", "namespace", SYSTEM_NAMESPACE)
    released.manager.kill()
    released.delete_objects()
    wait_until_only_what_is_held_is_left(released)
    released.follow("The admission policies refuse it")
    released.let_go()
    released.cluster.kubectl("delete", "-f", str(RELEASE), "--ignore-not-found", "--timeout=100s")
    assert ours(released.cluster) == []


@pytest.mark.real
@pytest.mark.timeout(300)
def test_everything_goes_in_one_command(released: Installed) -> None:
    released.cluster.kubectl("delete", "-f", str(RELEASE), "--wait=false")
    released.manager.kill()
    released.let_go()
    released.wait_until_gone("definitions")
    released.cluster.kubectl("wait", "--for=delete", f"namespace/{SYSTEM_NAMESPACE}", "--timeout=100s")
    assert ours(released.cluster) == []


def ours(cluster: Cluster) -> list[str]:
    """What the release is made of, as far as it is there."""
    kinds = "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,flowschema"
    return [line for line in cluster.kubectl("get", kinds, "-o", "name").lines if "kubechain" in line]
