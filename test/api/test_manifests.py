"""The files under config/ agree with the models, with each other, and with what the manager may need."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from kubechain.api.kinds import ALL_KINDS
from kubechain.api.meta import GROUP

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "config"


def script(name: str) -> ModuleType:
    """A script of hack/, as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "hack" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob("*.yaml")):
        yield from (document for document in yaml.safe_load_all(path.read_text()) if document)


def test_the_crds_on_disk_are_those_of_the_models() -> None:
    assert script("manifests").main(["--check"]) == 0, "repair: make manifests"


def test_the_release_on_disk_is_what_config_gives() -> None:
    assert shutil.which("kubectl"), "kubectl is needed on the PATH"
    assert script("release").main(["--check"]) == 0, "repair: make release"


def test_there_is_a_sample_of_every_kind_and_it_is_read_without_unknown_fields() -> None:
    models = {kind.kind: kind.model for kind in ALL_KINDS}
    seen: set[str] = set()
    for document in documents(CONFIG / "samples"):
        if document["kind"] == "Kustomization":
            continue
        seen.add(document["kind"])
        sample = models[document["kind"]].from_wire(document)
        assert sample.to_wire() == document
        assert not sample.spec.model_extra
    assert seen == models.keys()


def test_every_crd_is_installed() -> None:
    listed = yaml.safe_load((CONFIG / "crd" / "kustomization.yaml").read_text())["resources"]
    assert {Path(entry).name for entry in listed} == {f"{GROUP}_{kind.plural}.yaml" for kind in ALL_KINDS}


@pytest.mark.parametrize("folder", ["crd", "rbac", "admission", "admission-stamps", "manager", "samples"])
def test_every_file_is_listed(folder: str) -> None:
    # Without an extension `kubectl apply -f config/samples` leaves it alone, and kustomize finds it all the same.
    name = "Kustomization" if folder == "samples" else "kustomization.yaml"
    kustomization = yaml.safe_load((CONFIG / folder / name).read_text())
    listed = [*kustomization["resources"], *kustomization.get("configurations", [])]
    there = {path.name for path in (CONFIG / folder).glob("*.yaml")} - {"kustomization.yaml"}
    # The second steps of the walk-through change objects that the first ones made.
    assert there - {Path(entry).name for entry in listed} <= {"agent_with_fetch.yaml", "task_with_fetch.yaml"}


def roles() -> list[dict[str, Any]]:
    return [document for document in documents(CONFIG / "rbac") if document["kind"] in ("Role", "ClusterRole")]


@pytest.mark.parametrize("role", roles(), ids=lambda role: role["metadata"]["name"])
def test_no_role_has_a_wildcard(role: dict[str, Any]) -> None:
    for rule in role["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_the_manager_can_read_every_kind_and_write_every_status_and_no_spec_but_its_own_objects() -> None:
    allowed: dict[str, set[str]] = {}
    for rule in next(role for role in roles() if role["metadata"]["name"] == "kubechain-manager-role")["rules"]:
        for resource in rule["resources"]:
            allowed.setdefault(resource, set()).update(rule["verbs"])
    # Nobody follows chunks, and nothing works on them: their content would fill the memory of the manager.
    assert allowed["contextchunks"] == {"create", "get"}
    for kind in ALL_KINDS:
        if kind.plural == "contextchunks":
            continue
        assert {"get", "list", "watch"} <= allowed[kind.plural]
        assert allowed[f"{kind.plural}/status"] == {"update"}
    writable = {kind.plural for kind in ALL_KINDS if allowed[kind.plural] > {"get", "list", "watch"}}
    assert writable == {"taskruns", "taskruntoolcalls", "humanrequests"}
    assert allowed["secrets"] == {"get"}


def test_the_manager_runs_without_privileges() -> None:
    deployment = next(document for document in documents(CONFIG / "manager") if document["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["args"][:2] == ["manager", "--leader-elect"]
