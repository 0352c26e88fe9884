"""What kube-score says of the Pods that we ship and that the manager makes, and why we do not follow all of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubechain.tools.container import job
from test.charts.conftest import BUILD_SECONDS
from test.charts.rendering import overlay
from test.controllers.mcpserver.test_manifests import made
from test.tools.test_container import CALL, a_tool

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

OLDEST = "v1.30"
PASSED = 10
GIVEN = {
    "requests": {"cpu": "100m", "memory": "64Mi", "ephemeral-storage": "64Mi"},
    "limits": {"cpu": "1", "memory": "64Mi", "ephemeral-storage": "64Mi"},
}
"""What a person gives a server or a container; we add none of our own."""

SHARED = {
    "container-resource-requests-equal-limits": "mostly idle: what is requested would be lost to others",
    "container-cpu-requests-equal-limits": "the same",
    "container-image-pull-policy": "tags of ours are never pushed twice, and nodes without a network have the image",
}
OF_A_DEPLOYMENT = {
    **SHARED,
    "container-memory-requests-equal-limits": "the same",
    "deployment-replicas": "one works; a second one only shortens a failure, and is a setting",
}
OF_THE_MANAGER = {
    **OF_A_DEPLOYMENT,
    "container-ephemeral-storage-request-equals-limit": "the same",
    "pod-networkpolicy": "out: models are anywhere; in: config/hardened has it, since not every cluster enforces it",
}

Found = Mapping[str, str]


def of_a_server() -> list[dict[str, Any]]:
    return [*made(resources=GIVEN).values()]


def of_a_call() -> list[dict[str, Any]]:
    return [job(CALL, a_tool(resources=GIVEN), {})]


JUDGED: Mapping[str, tuple[Callable[[], list[dict[str, Any]]], Found]] = {
    "default": (lambda: overlay("default"), OF_THE_MANAGER),
    "namespaced": (lambda: overlay("namespaced"), OF_THE_MANAGER),
    "hardened": (lambda: overlay("hardened"), OF_THE_MANAGER),
    "an isolated MCP server": (
        of_a_server,
        {
            **OF_A_DEPLOYMENT,
            "deployment-strategy": "never two at a time: a server may keep state in a volume or outside",
            "pod-probes-identical": "both ask the bridge, which stays alive while its program starts again",
        },
    ),
    "a container as a tool": (
        of_a_call,
        {
            **SHARED,
            "pod-networkpolicy": "what a tool may reach is up to the namespace",
            "container-security-context-readonlyrootfilesystem": "images are anybody's: some write to their files",
        },
    ),
}
"""By what is judged: how it is made, and what is found and why it stays."""


def found(judges: Path, given: list[dict[str, Any]], folder: Path) -> dict[str, set[str]]:
    """The checks that are not passed, each with what is said."""
    path = folder / "judged.yaml"
    path.write_text(yaml.safe_dump_all(json.loads(json.dumps(given))))
    done = subprocess.run(
        [judges / "kube-score", "score", path, "-o=json", "--all-default-optional", f"--kubernetes-version={OLDEST}"],
        capture_output=True,
        text=True,
        check=False,
    )
    said: dict[str, set[str]] = {}
    for judged in json.loads(done.stdout):
        for check in judged["checks"]:
            if not check["skipped"] and check["grade"] < PASSED:
                said.setdefault(check["check"]["id"], set()).update(one["summary"] for one in check["comments"])
    return said


@pytest.mark.parametrize("what", JUDGED)
def test_nothing_is_found_but_what_has_a_reason(judges: Path, what: str, tmp_path: Path) -> None:
    make, expected = JUDGED[what]
    said = found(judges, make(), tmp_path)
    assert said.keys() == expected.keys(), said


def test_a_fault_would_be_found(judges: Path, tmp_path: Path) -> None:
    given = overlay("hardened")
    [deployment] = [one for one in given if one["kind"] == "Deployment"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    del container["securityContext"]["readOnlyRootFilesystem"], container["resources"]["limits"]["memory"]
    new = found(judges, given, tmp_path).keys() - JUDGED["hardened"][1].keys()
    assert new == {"container-security-context-readonlyrootfilesystem", "container-resources"}
