"""Every manifest that we ship, before kube-apiserver: it takes them all, knows each field, and lets them go again.

`make test-oldest` runs the same against the oldest release of Kubernetes that is supported. No Pod runs here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hack.release import kustomized
from kubechain.api.kinds import ALL_KINDS
from kubechain.api.meta import GROUP, VERSION
from test.charts.conftest import BUILD_SECONDS, judges
from test.charts.rendering import CHART, CONFIG, helm
from test.e2e.cluster import Cluster
from test.e2e.controlplane import RealControlPlane
from test.e2e.openapischemas import LOCATION, refused, write_schemas

pytestmark = [pytest.mark.real, pytest.mark.timeout(BUILD_SECONDS)]

__all__ = ["judges"]
NAMESPACE = "kubechain-system"
STAMPS_SINCE = 36
"""The minor release of Kubernetes that first serves MutatingAdmissionPolicy as v1."""

SELECTABLE_FIELDS_SINCE = 31
"""The first that keeps `selectableFields` of a definition; an earlier one drops them, and then what it has and what we
apply differ."""

Sources = dict[str, Callable[[Path], str]]


def template(folder: Path, *values: str) -> str:
    return helm(folder, "template", "kubechain", str(CHART), "--namespace", NAMESPACE, *values)


SHIPPED: Sources = {
    "config/release/latest.yaml": lambda _: (CONFIG / "release" / "latest.yaml").read_text(),
    "config/release/latest-crds.yaml": lambda _: (CONFIG / "release" / "latest-crds.yaml").read_text(),
    "config/default": lambda _: kustomized(CONFIG / "default"),
    "config/hardened": lambda _: kustomized(CONFIG / "hardened"),
    "config/namespaced": lambda _: kustomized(CONFIG / "namespaced"),
    "config/policy-reader": lambda _: kustomized(CONFIG / "policy-reader"),
    "config/secret-watch": lambda _: kustomized(CONFIG / "secret-watch"),
    "config/metrics-secured": lambda _: kustomized(CONFIG / "metrics-secured" / "rbac"),
    "config/samples": lambda _: "\n---\n".join(
        path.read_text() for path in sorted((CONFIG / "samples").glob("*.yaml"))
    ),
    "the chart": template,
    "the chart, hardened": lambda folder: template(folder, f"--values={CHART / 'values-hardened.yaml'}"),
    "the chart, namespaced": lambda folder: template(folder, f"--values={CHART / 'values-namespaced.yaml'}"),
}

NEW: Sources = {
    "config/release/latest-stamps.yaml": lambda _: (CONFIG / "release" / "latest-stamps.yaml").read_text(),
    "the chart with stamps": lambda folder: template(folder, "--set=admission.stamps=true"),
}
"""What the oldest release does not serve."""


@dataclass(frozen=True, slots=True)
class Bare:
    """A control plane on which nothing of ours is installed.

    Attributes:
        cluster: How it is reached.
        minor: Of its release of Kubernetes.
    """

    cluster: Cluster
    minor: int

    def helm(self, judges: Path, *arguments: str) -> str:
        """Run helm against it."""
        return helm(judges, *arguments, "--namespace", NAMESPACE, environment=self.cluster.environment)

    def uses_every_kind(self) -> None:
        """List each kind once, as a manager does when it starts.

        kube-apiserver 1.37 cannot remove a definition before the cache of its kind is filled, which begins with its
        first use; where that fails it tries again after minutes.
        """
        self.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        for kind in ALL_KINDS:
            self.cluster.kubectl("get", "--raw", f"/apis/{GROUP}/{VERSION}/{kind.plural}")

    def there(self) -> set[str]:
        """What of ours is there, as kind/name; our objects count too."""
        kinds = (
            "crd,clusterrole,clusterrolebinding,validatingadmissionpolicy,validatingadmissionpolicybinding,flowschema"
        )
        said = self.cluster.kubectl("get", kinds, "-o", "name").lines
        said += self.cluster.kubectl("-n", NAMESPACE, "get", "deploy,svc,sa,role,rolebinding,pdb", "-o", "name").lines
        return {line for line in said if "kubechain" in line}


@contextmanager
def a_plane(folder: Path) -> Generator[Bare]:
    """A control plane of its own, with no state of helm but what is made here."""
    with RealControlPlane(folder) as plane:
        homes = {f"HELM_{name}_HOME": str(folder / f"helm-{name}") for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**plane.kubectl_env(), **homes, "KUBECACHEDIR": str(folder / "kubectl-cache")}
        cluster = Cluster(plane.kubeconfig, environment, is_real=True)
        version = json.loads(cluster.kubectl("version", "-o", "json").out)["serverVersion"]
        yield Bare(cluster, int(version["minor"].rstrip("+")))


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """One on which each test installs and takes away again."""
    with a_plane(tmp_path_factory.mktemp("bare")) as plane:
        yield plane


@pytest.fixture(scope="module")
def with_definitions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    """Another one, with our kinds and the namespace, as a dry run of objects in them needs."""
    with a_plane(tmp_path_factory.mktemp("with-definitions")) as plane:
        plane.cluster.kubectl("apply", "-f", str(CONFIG / "manager" / "namespace.yaml"))
        plane.cluster.kubectl("apply", "-f", str(CONFIG / "release" / "latest-crds.yaml"))
        plane.cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
        yield plane


@pytest.fixture(scope="module")
def schemas(with_definitions: Bare, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the JSON schemas of that server."""
    folder = tmp_path_factory.mktemp("schemas")
    openapi = json.loads(with_definitions.cluster.kubectl("get", "--raw", "/openapi/v2").out)
    assert write_schemas(openapi, folder) > 100
    return folder


def conforms(judges: Path, schemas: Path, text: str, folder: Path) -> list[str]:
    """What kubeconform does not like about a stream of objects."""
    path = folder / "manifests.yaml"
    path.write_text(text)
    location = f"-schema-location={schemas}/{LOCATION}"
    done = subprocess.run(
        [judges / "kubeconform", "-strict", "-output=json", location, path], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    return list(refused(done.stdout))


@pytest.mark.parametrize("source", SHIPPED)
def test_kubeconform_knows_every_field(judges: Path, schemas: Path, source: str, tmp_path: Path) -> None:
    assert conforms(judges, schemas, SHIPPED[source](judges), tmp_path) == []


def test_kubeconform_would_find_a_field_that_is_misspelt(judges: Path, schemas: Path, tmp_path: Path) -> None:
    text = SHIPPED["config/default"](judges).replace("terminationGracePeriodSeconds", "terminationGraceSeconds")
    [found] = conforms(judges, schemas, text, tmp_path)
    assert found.startswith("Deployment/kubechain-controller-manager")
    assert "terminationGraceSeconds" in found


@pytest.mark.parametrize("source", SHIPPED)
def test_the_api_server_would_take_it_without_a_warning(judges: Path, with_definitions: Bare, source: str) -> None:
    said = dry_run(with_definitions, SHIPPED[source](judges))
    assert "Warning" not in said


@pytest.mark.parametrize("source", NEW)
def test_what_needs_a_newer_release_says_so(judges: Path, with_definitions: Bare, source: str) -> None:
    text = NEW[source](judges)
    if with_definitions.minor >= STAMPS_SINCE:
        assert "Warning" not in dry_run(with_definitions, text)
    else:
        assert 'no matches for kind "MutatingAdmissionPolicy"' in dry_run(with_definitions, text, fails=True)


def dry_run(bare: Bare, text: str, *, fails: bool = False) -> str:
    """What kubectl says to a server-side dry run with strict validation."""
    arguments = ["apply", "--dry-run=server", "--validate=strict", "--namespace=default", "-f", "-"]
    if NAMESPACE in text:
        arguments.remove("--namespace=default")
    said = bare.cluster.kubectl(*arguments, stdin=text, fails=fails)
    return said.out + said.err


def test_apply_and_server_side_apply_agree(bare: Bare) -> None:
    release = str(CONFIG / "release" / "latest.yaml")
    bare.cluster.kubectl("apply", "-f", release)
    if bare.minor >= SELECTABLE_FIELDS_SINCE:
        bare.cluster.kubectl("apply", "--server-side", "-f", release)
    else:
        said = bare.cluster.kubectl("apply", "--server-side", "-f", release, fails=True)
        assert set(re.findall(r"using \S+: (\S+)", said.err)) == {".spec.versions"}
        bare.cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", release)
    bare.uses_every_kind()
    bare.cluster.kubectl("delete", "-f", release)
    assert bare.there() == set()


def an_older_chart(folder: Path) -> Path:
    """The chart of an earlier version, whose Tools have no description."""
    older = folder / "kubechain"
    shutil.copytree(CHART, older)
    about = older / "Chart.yaml"
    about.write_text(about.read_text().replace("version: ", "version: 0.0.9 #", 1))
    path = older / "templates" / "crds" / "tools.yaml"
    lines = path.read_text().split("\n")
    start = next(number for number, line in enumerate(lines) if line.strip() == "description:")
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = next(n for n in range(start + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) <= indent)
    path.write_text("\n".join([*lines[:start], *lines[end:]]))
    return older


def described(bare: Bare) -> bool:
    """Whether the installed definition of Tools has the field that the older chart has not."""
    crd = json.loads(bare.cluster.kubectl("get", "crd", "tools.kubechain.humanlayer.dev", "-o", "json").out)
    return "description" in crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]


def test_helm_installs_upgrades_and_uninstalls(judges: Path, bare: Bare, tmp_path: Path) -> None:
    bare.helm(judges, "install", "kubechain", str(an_older_chart(tmp_path)), "--create-namespace")
    assert not described(bare)
    bare.uses_every_kind()
    bare.cluster.kubectl("-n", NAMESPACE, "apply", "-f", str(CONFIG / "samples" / "contextchunk.yaml"))
    bare.helm(judges, "upgrade", "kubechain", str(CHART), "--set=replicas=2")
    assert described(bare)
    deployment = bare.cluster.kubectl("-n", NAMESPACE, "get", "deploy", "-o", "jsonpath={.items[*].spec.replicas}")
    assert deployment.out == "2"

    bare.helm(judges, "uninstall", "kubechain")
    assert {name.partition("/")[0] for name in bare.there()} == {"customresourcedefinition.apiextensions.k8s.io"}
    kept = bare.cluster.kubectl("-n", NAMESPACE, "get", "contextchunk", "-o", "name").lines
    assert len(kept) == 1, "an object outlives the release"

    bare.helm(judges, "install", "kubechain", str(CHART), "--set=crds.keep=false")
    assert bare.cluster.kubectl("-n", NAMESPACE, "get", "contextchunk", "-o", "name").lines == kept
    bare.uses_every_kind()
    bare.helm(judges, "uninstall", "kubechain")
    bare.cluster.kubectl("wait", "--for=delete", "crd", "--all", "--timeout=60s")
    assert bare.there() == set()
    bare.cluster.kubectl("delete", "namespace", NAMESPACE)
