"""What helm, kustomize and the release YAML give, as objects that can be compared."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import yaml

from hack.release import kustomized

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "kubechain"
CONFIG = ROOT / "config"
OF_THE_CHART = frozenset(
    {"helm.sh/chart", "app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "helm.sh/resource-policy"}
)
"""By which helm and people find what belongs to a release; it means nothing to the cluster."""

Object = dict[str, Any]
Key = tuple[str, str, str]


def helm(judges: Path, *arguments: str, fails: bool = False, environment: Mapping[str, str] | None = None) -> str:
    """Run helm and return what it printed, or what it complained of where it is meant to fail."""
    done = subprocess.run(
        [judges / "helm", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=dict(environment or os.environ),
    )
    assert (done.returncode != 0) == fails, f"helm {' '.join(arguments)}: {done.returncode}\n{done.stderr}"
    return done.stderr if fails else done.stdout


def helm_homes(folder: Path) -> dict[str, str]:
    """Variables that keep what helm writes in a folder."""
    return {f"HELM_{name}_HOME": str(folder / f"helm-{name}") for name in ("CACHE", "CONFIG", "DATA")}


def rendered(
    judges: Path, *values: str, release: str = "kubechain", namespace: str = "kubechain-system"
) -> list[Object]:
    """The objects that `helm template` gives with these arguments."""
    return objects(helm(judges, "template", release, str(CHART), "--namespace", namespace, *values))


def overlay(folder: str) -> list[Object]:
    """The objects that kustomize gives for a folder of config/."""
    return objects(kustomized(CONFIG / folder))


def objects(text: str) -> list[Object]:
    """The objects of a YAML stream."""
    return [one for one in yaml.safe_load_all(text) if one]


def by_key(given: Iterable[Object]) -> dict[Key, Object]:
    """Objects by kind, namespace and name; each stands once."""
    listed = list(given)
    keyed = {(one["kind"], one["metadata"].get("namespace", ""), one["metadata"]["name"]): one for one in listed}
    assert len(keyed) == len(listed), "an object stands twice"
    return keyed


def substance(given: Iterable[Object]) -> dict[Key, Any]:
    """Objects without what a way of installing adds: labels of the chart, what helm keeps, the default pull policy."""
    return {key: _plain(one) for key, one in by_key(given).items()}


def _plain(given: Any) -> Any:
    if isinstance(given, list):
        return [_plain(value) for value in cast("list[Any]", given)]
    if not isinstance(given, dict):
        return given
    whole = cast(Object, given)
    kept = {key: _plain(value) for key, value in whole.items() if key not in OF_THE_CHART}
    # A map that had nothing but what the chart adds is none.
    return {key: value for key, value in kept.items() if value != {} or whole[key] == {}} | _defaults(kept)


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"imagePullPolicy": "IfNotPresent"} if "image" in given and "args" in given else {}
