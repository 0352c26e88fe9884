"""The chart gives in substance what kustomize and the release YAML give, and its values do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.chart import __main__ as generator
from test.charts.conftest import BUILD_SECONDS
from test.charts.rendering import CHART, CONFIG, by_key, helm, objects, overlay, rendered, substance

pytestmark = pytest.mark.timeout(BUILD_SECONDS)

NAMESPACE = ("Namespace", "", "kubechain-system")
"""`helm install --create-namespace` makes it, without labels: the guide for installing labels it."""


def values(name: str) -> str:
    return f"--values={CHART / f'values-{name}.yaml'}"


def manager(given: list[dict[str, Any]]) -> dict[str, Any]:
    """The container of the manager among objects."""
    [deployment] = [one for one in given if one["kind"] == "Deployment"]
    return deployment["spec"]["template"]["spec"]["containers"][0]


def test_the_chart_on_disk_is_what_config_gives() -> None:
    assert generator.main(["--check"]) == 0, "repair: make release"


def test_the_chart_gives_what_the_release_gives(judges: Path) -> None:
    released = substance(objects((CONFIG / "release" / "latest.yaml").read_text()))
    assert released.pop(NAMESPACE)
    assert substance(rendered(judges)) == released


@pytest.mark.parametrize(
    ("folder", "arguments"),
    [
        pytest.param("default", [], id="default"),
        pytest.param("hardened", [values("hardened")], id="hardened"),
        pytest.param("namespaced", [values("namespaced")], id="namespaced"),
    ],
)
def test_the_chart_gives_what_an_overlay_gives(judges: Path, folder: str, arguments: list[str]) -> None:
    expected = substance(overlay(folder))
    expected.pop(NAMESPACE, None)
    assert substance(rendered(judges, *arguments)) == expected


def test_the_stamps_and_the_reader_of_policies_are_values(judges: Path) -> None:
    stamps = substance(overlay("admission-stamps"))
    with_stamps = substance(rendered(judges, "--set=admission.stamps=true"))
    labelled = {key: {**one, "metadata": _part_of(one["metadata"])} for key, one in stamps.items()}
    assert labelled.items() <= with_stamps.items()
    reader = substance(overlay("policy-reader"))
    with_reader = substance(rendered(judges, values("namespaced"), "--set=admission.reader=true"))
    assert reader.items() <= with_reader.items()


def test_the_watch_of_secrets_and_secured_metrics_are_values(judges: Path) -> None:
    watch = substance(overlay("secret-watch"))
    assert watch.items() <= substance(rendered(judges, "--set=rbac.watchSecrets=true")).items()
    reviews = substance(overlay("metrics-secured/rbac"))
    for place in ([], [values("namespaced")]):  # no Role can permit what belongs to the cluster
        secured = rendered(judges, "--set=metrics.secure=true", *place)
        assert reviews.items() <= substance(secured).items()
        assert "--metrics-secure" in manager(secured)["args"]
        [service] = [one for one in secured if one["kind"] == "Service"]
        assert [port["appProtocol"] for port in service["spec"]["ports"]] == ["https"]


def test_in_some_namespaces_secrets_are_watched_there_alone(judges: Path) -> None:
    keys = by_key(rendered(judges, values("namespaced"), "--set=namespaces={team-a}", "--set=rbac.watchSecrets=true"))
    assert ("Role", "team-a", "kubechain-secret-watch-role") in keys
    assert ("RoleBinding", "team-a", "kubechain-secret-watch-rolebinding") in keys
    assert not any("secret-watch" in name for kind, _, name in keys if kind.startswith("Cluster"))


def _part_of(metadata: dict[str, Any]) -> dict[str, Any]:
    return {**metadata, "labels": {"app.kubernetes.io/part-of": "kubechain"}}


def test_a_release_of_another_name_and_namespace_has_none_of_ours(judges: Path) -> None:
    own = ("CustomResourceDefinition",)
    given = [one for one in rendered(judges, release="blue", namespace="team-a") if one["kind"] not in own]
    assert all(name.startswith("blue-kubechain-") for _, _, name in by_key(given))
    text = repr(given)
    assert "kubechain-system" not in text
    assert "'kubechain-manager'" not in text
    assert "'kubechain-human-requests'" not in text


def test_names_that_yaml_reads_as_numbers_stay_names(judges: Path) -> None:
    given = rendered(judges, release="k123", namespace="123")
    assert {one["metadata"].get("namespace", "123") for one in given} == {"123"}


def test_each_namespace_that_is_named_gets_the_rights(judges: Path) -> None:
    given = rendered(judges, "--set=namespaced=true", "--set=namespaces={team-a,team-b}", "--set=crds.install=false")
    assert {one["kind"] for one in given if "namespace" not in one["metadata"]} == set()
    keys = by_key(given)
    for namespace in ("team-a", "team-b"):
        assert ("Role", namespace, "kubechain-manager-role") in keys
        assert ("RoleBinding", namespace, "kubechain-manager-rolebinding") in keys
    assert "--namespaces=team-a,team-b" in manager(given)["args"]


def test_definitions_are_kept_unless_somebody_says_otherwise(judges: Path) -> None:
    def kept(*arguments: str) -> list[bool]:
        given = [one for one in rendered(judges, *arguments) if one["kind"] == "CustomResourceDefinition"]
        return [one["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep" for one in given]

    assert kept() == [True] * 12
    assert kept("--set=crds.keep=false") == [False] * 12
    assert kept("--set=crds.install=false") == []


@pytest.mark.parametrize(
    ("arguments", "image"),
    [
        pytest.param(["--set=image.tag=v9"], "kubechain:v9", id="a tag"),
        pytest.param(
            ["--set=image.repository=registry.example/kc", f"--set=image.digest=sha256:{'a' * 64}"],
            f"registry.example/kc@sha256:{'a' * 64}",
            id="a digest",
        ),
    ],
)
def test_the_image_is_that_of_the_values(judges: Path, arguments: list[str], image: str) -> None:
    assert manager(rendered(judges, *arguments))["image"] == image


def test_every_part_that_may_be_left_out_is_left_out(judges: Path) -> None:
    off = [
        "crds.install",
        "rbac.peopleRoles",
        "serviceAccount.create",
        "admission.enabled",
        "flowSchema.enabled",
        "metrics.enabled",
        "podDisruptionBudget.enabled",
    ]
    given = rendered(judges, *(f"--set={name}=false" for name in off))
    assert sorted(by_key(given)) == [
        ("ClusterRole", "", "kubechain-manager-role"),
        ("ClusterRoleBinding", "", "kubechain-manager-rolebinding"),
        ("Deployment", "kubechain-system", "kubechain-controller-manager"),
        ("Role", "kubechain-system", "kubechain-leader-election-role"),
        ("RoleBinding", "kubechain-system", "kubechain-leader-election-rolebinding"),
    ]
    assert "--metrics-bind-address=0" in manager(given)["args"]


PLACED: dict[str, Any] = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "priorityClassName": "high",
}


def test_where_the_pod_is_placed_stands_in_it(judges: Path, tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    more: dict[str, Any] = {
        "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
        "volumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "volumeMounts": [{"name": "ca", "mountPath": "/ca"}],
        "podLabels": {"team": "ai"},
        "podAnnotations": {"note": "yes"},
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
            "limits": {"cpu": "4", "memory": "2Gi", "ephemeral-storage": "8Gi"},
        },
        "extraArgs": ["--log-level=debug"],
        "networkPolicy": {
            "enabled": True,
            "metricsFrom": [{"podSelector": {"matchLabels": {"app": "prometheus"}}}],
            "extraIngress": [{"ports": [{"port": 8082}]}],
        },
    }
    path.write_text(yaml.safe_dump({**PLACED, **more}))
    given = rendered(judges, f"--values={path}")
    [deployment] = [one for one in given if one["kind"] == "Deployment"]
    pod, container = deployment["spec"]["template"]["spec"], manager(given)
    assert {key: pod[key] for key in PLACED} == PLACED
    assert more["env"][0] in container["env"]
    assert more["volumes"][0] in pod["volumes"]
    assert more["volumeMounts"][0] in container["volumeMounts"]
    assert container["resources"] == more["resources"]
    assert container["args"][-1] == "--log-level=debug"
    metadata = deployment["spec"]["template"]["metadata"]
    assert metadata["labels"]["team"] == "ai"
    assert metadata["annotations"]["note"] == "yes"
    [policy] = [one for one in given if one["kind"] == "NetworkPolicy"]
    assert policy["spec"]["ingress"] == [
        {"ports": [{"port": "metrics"}], "from": more["networkPolicy"]["metricsFrom"]},
        {"ports": [{"port": 8082}]},
    ]


@pytest.mark.parametrize(
    ("given", "place"),
    [
        pytest.param("replica=2", "replica", id="a value that is misspelt"),
        pytest.param("image.tags=v1", "tags", id="a part of one that is misspelt"),
        pytest.param("image.digest=latest", "/image/digest", id="a digest that is none"),
        pytest.param("replicas=two", "/replicas", id="a number that is none"),
        pytest.param("extraArgs={manager}", "/extraArgs/0", id="an argument that is no flag"),
        pytest.param("namespaces={Team A}", "/namespaces/0", id="a namespace that cannot be"),
        pytest.param("namespaces={team-a}", "/namespaced", id="namespaces of a manager that works in all of them"),
    ],
)
def test_a_value_that_means_nothing_is_refused(judges: Path, given: str, place: str) -> None:
    said = helm(judges, "template", "kubechain", str(CHART), f"--set={given}", fails=True)
    assert "schema" in said
    assert place in said


def test_helm_finds_nothing_to_complain_of(judges: Path) -> None:
    said = helm(judges, "lint", "--strict", str(CHART))
    assert "0 chart(s) failed" in said
