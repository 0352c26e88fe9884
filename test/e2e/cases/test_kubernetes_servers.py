"""Kinds of the page on clusters: how the manager is installed, and API servers that come and go."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.controllers.authority import POLICY
from test.e2e import processes
from test.e2e.cases.rows import case
from test.e2e.cluster import Cluster, Namespace
from test.e2e.conftest import CRDS
from test.e2e.manifests import a_secret, a_task, a_taskrun, an_agent, an_llm, an_mcp_server
from test.e2e.model import MockModel
from test.e2e.planes import restorable
from test.e2e.processes import Program
from test.e2e.resets import ResetProxy
from test.e2e.test_release_real import kubeconfig_of

CONFIG = Path(__file__).resolve().parents[3] / "config"


@pytest.fixture
def without_manager(manager: Program) -> Iterator[None]:
    """Stop the session's manager for the time of the test."""
    assert manager.stop() == 0
    yield
    manager.start()


def _rendered(folder: Path) -> list[dict[str, Any]]:
    """The objects that kustomize makes of a folder."""
    done = subprocess.run(["kubectl", "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


@pytest.fixture(autouse=True)
def _no_policies_stay(cluster: Cluster) -> Iterator[None]:
    """Who may decide is left to the next tests: policies without their manager refuse everybody."""
    yield
    if cluster.is_real:
        kinds = [f"{sort}admissionpolic{end}" for sort in ("validating", "mutating") for end in ("ies", "ybindings")]
        cluster.kubectl("delete", ",".join(kinds), "--all")


def _overlay(folder: Path, base: str) -> list[dict[str, Any]]:
    """The objects of a folder of config/ under another namespace, with a prefix before their names."""
    shutil.copytree(CONFIG, folder / "config")
    (folder / "overlay").mkdir()
    overlay = {"namespace": "team-ops", "namePrefix": "blue-", "resources": [f"../config/{base}"]}
    (folder / "overlay" / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    return _rendered(folder / "overlay")


@case("install and overlay", {"kustomize namespace: and namePrefix:": "default", "with a Role": "namespaced"})
def test_names_follow_an_overlay(given: str, tmp_path: Path) -> None:
    objects = [each for each in _overlay(tmp_path, given) if each["kind"] != "CustomResourceDefinition"]
    [account] = [each["metadata"] for each in objects if each["kind"] == "ServiceAccount"]
    assert (account["name"], account["namespace"]) == ("blue-kubechain-manager", "team-ops")
    text = yaml.safe_dump_all(objects)
    assert "kubechain-system" not in text
    assert all(name.startswith("blue-") for name in re.findall(r"\bname: (\S*kubechain-manager\S*)", text))
    policies = set(re.findall(r"\S*kubechain-human-requests", text))
    if given == "default":
        assert policies == {"blue-kubechain-human-requests"}
    else:
        # The policies belong to the cluster: an administrator installs them, under their own names.
        assert policies == {"kubechain-human-requests"}
        cluster_wide = {"Namespace", "ClusterRole", "ClusterRoleBinding", "FlowSchema"}
        assert not cluster_wide & {each["kind"] for each in objects}


@pytest.mark.real
@case("install and overlay", {"`--namespaces` with a Role": "namespaced", "Forbidden watches": "no Role"})
def test_a_role_suffices_and_a_missing_one_is_told(
    given: str,
    make_namespace: Callable[[str], Namespace],
    without_manager: None,
    cluster: Cluster,
    model: MockModel,
    tmp_path: Path,
) -> None:
    namespace = make_namespace(given)
    objects = [each for each in _overlay(tmp_path, "namespaced") if each["kind"] != "Deployment"]
    for each in objects:
        each["metadata"]["namespace"] = namespace.name
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace.name
    if given == "no Role":
        objects = [each for each in objects if each["metadata"]["name"] != "blue-kubechain-manager-rolebinding"]
    namespace.apply(*objects)
    program = processes.manager(
        kubeconfig_of(cluster, "blue-kubechain-manager", tmp_path, namespace.name),
        tmp_path / "log",
        "--leader-elect",
        f"--leader-election-namespace={namespace.name}",
        f"--namespaces={namespace.name}",
    )
    if given == "no Role":
        with pytest.raises(AssertionError, match="not ready"):
            program.start(ready_seconds=30.0)
        program.kill()
        warnings = [
            line
            for line in map(json.loads, program.log.read_text().splitlines())
            if line["level"] == "warning" and "config/policy-reader" not in line.get("repair", "")
        ]
        assert len({line["missing_rule"] for line in warnings}) == len(warnings)
        assert any("resources: [taskruns]" in line["missing_rule"] for line in warnings)
        return
    program.start()
    namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
    namespace.finished("hello-world-task-1")
    assert program.stop() == 0
    # A Role gives nothing of the cluster: whether policies hold who may decide is seen with one right more.
    told = [line for line in map(json.loads, program.log.read_text().splitlines()) if "repair" in line]
    assert ["config/policy-reader" in line["repair"] for line in told] == [True]
    account = f"system:serviceaccount:{namespace.name}:blue-kubechain-manager"
    ask = ("auth", "can-i", "get", f"validatingadmissionpolicies/{POLICY}", f"--as={account}")
    cluster.kubectl(*ask, fails=True)
    reader = _overlay(tmp_path / "reader", "policy-reader")
    for each in reader:
        for subject in each.get("subjects", ()):
            subject["namespace"] = namespace.name
            subject["name"] = "blue-kubechain-manager"
    namespace.apply(*reader)
    cluster.kubectl(*ask)
    namespace.kubectl("delete", "clusterrole,clusterrolebinding", "blue-kubechain-policy-reader")


@pytest.mark.real
@case("install and overlay", {"apply, then apply --server-side": "default", "the same of an overlay": "overlay"})
def test_client_side_and_server_side_apply_agree(given: str, cluster: Cluster, tmp_path: Path) -> None:
    objects = _rendered(CONFIG / given) if given == "default" else _overlay(tmp_path, "default")
    text = yaml.safe_dump_all(objects)
    try:
        cluster.kubectl("apply", "-f", "-", stdin=text)
        cluster.kubectl("apply", "--server-side", "-f", "-", stdin=text)
    finally:
        if given == "overlay":  # other tests look at all roles of the cluster
            roles = [each["metadata"]["name"] for each in objects if each["kind"].startswith("ClusterRole")]
            cluster.kubectl("delete", "clusterrole,clusterrolebinding", "--ignore-not-found", *roles)


@case("rights", {"MCPServer create": "mcpservers", "a tool call, which is the manager's to write": "taskruntoolcalls"})
def test_what_edit_does_not_gain(given: str) -> None:
    """Roles that join the cluster's own may not write what acts beyond a namespace."""
    roles = [each for each in _rendered(CONFIG / "default") if each["kind"] == "ClusterRole"]
    joined = [each for each in roles if any("aggregate-to" in label for label in each["metadata"].get("labels", {}))]
    verbs = {verb for role in joined for rule in role["rules"] if given in rule["resources"] for verb in rule["verbs"]}
    assert verbs >= {"get", "list", "watch"}
    assert not verbs & {"create", "update", "patch", "*"}


@case("rights", {"a flag that forbids servers in the operator's process": "--allow-stdio-servers=false"})
def test_programs_in_the_manager_are_forbidden(
    given: str, make_namespace: Callable[[str], Namespace], without_manager: None, cluster: Cluster, tmp_path: Path
) -> None:
    [deployment] = [each for each in _rendered(CONFIG / "hardened") if each["kind"] == "Deployment"]
    assert given in deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    namespace = make_namespace("rights")
    program = processes.manager(cluster.kubeconfig, tmp_path / "log", f"--namespaces={namespace.name}", given)
    program.start()
    mark = tmp_path / "started"
    namespace.apply(an_mcp_server("eyes", type="stdio", command="touch", args=[str(mark)]))
    namespace.wait("mcpserver/eyes", "{.status.status}", "Error")
    assert given in namespace.get("mcpserver", "eyes")["status"]["statusDetail"]
    assert program.stop() == 0
    assert not mark.exists()


def _answered(namespace: Namespace, runs: Sequence[Mapping[str, Any]]) -> None:
    """Make TaskRuns and wait for the answer to each TaskRun of the namespace."""
    if runs:
        namespace.apply(*runs)
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=FinalAnswer", "taskrun", "--all", "--timeout=90s")


@case("time goes backwards", {"etcd restored to an older snapshot while the manager runs": 3})
def test_a_restored_server_is_noticed(given: int, cluster: Cluster, model: MockModel, tmp_path: Path) -> None:
    """The lost runs are made again under their names, and answered again."""
    lost = [a_taskrun(f"lost-{number}", task="hello-world-task") for number in range(given)]
    with restorable(tmp_path, is_real=cluster.is_real) as plane:
        if cluster.is_real:
            plane.cluster.kubectl("apply", "-f", str(CRDS))
            plane.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        namespace = Namespace(plane.cluster, "default")
        program = processes.manager(plane.cluster.kubeconfig, tmp_path / "manager.log")
        program.start()
        namespace.apply(a_secret(), an_llm(base_url=model.base_url, model="restored"), an_agent(), a_task())
        namespace.finished("hello-world-task-1")
        plane.back_up(tmp_path / "copy")
        _answered(namespace, lost)
        plane.restore(tmp_path / "copy")
        [kept] = namespace.kubectl("get", "taskrun", "-o", "name").lines
        assert kept.endswith("/hello-world-task-1")
        _answered(namespace, lost)
        assert program.stop() == 0, program.tail()
    assert "went back in time" in program.log.read_text()


@case("connections that are reset", {"every connection, for 4 s, with 100 runs in flight": 4.0})
def test_the_manager_survives_resets(
    given: float,
    make_namespace: Callable[[str], Namespace],
    without_manager: None,
    cluster: Cluster,
    model: MockModel,
    tmp_path: Path,
) -> None:
    namespace = make_namespace("resets")
    with ResetProxy(cluster.port) as proxy:
        kubeconfig = cluster.through(proxy.port, tmp_path)
        lease = ("--leader-elect", f"--leader-election-namespace={namespace.name}")
        program = processes.manager(kubeconfig, tmp_path / "log", *lease, f"--namespaces={namespace.name}")
        program.start()
        namespace.apply(a_secret(), an_llm(base_url=model.base_url, model=namespace.name), an_agent(), a_task())
        namespace.finished("hello-world-task-1")
        script = model[namespace.name]
        with script.held():
            namespace.apply(*(a_taskrun(f"run-{number}", task="hello-world-task") for number in range(100)))
            script.wait_for_call()
            with proxy.resetting():
                time.sleep(given)
        _answered(namespace, [])
        assert program.stop() == 0, program.tail()
    assert "RuntimeError" not in program.log.read_text()
