"""Write charts/kubechain anew, or with `--check` fail when it is out of date."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

import yaml

from hack.chart.drafts import Object
from hack.chart.placing import templates
from hack.generated import ROOT, settled
from hack.release import kustomized

CHART = ROOT / "charts" / "kubechain"
CONFIG = ROOT / "config"
FOLDERS = ("default", "hardened", "policy-reader", "admission-stamps", "secret-watch", "metrics-secured/rbac")
"""What of config/ has the objects of the chart. Of an object that stands in several the first counts."""

HEADER = "{{- /* Generated from config/ by `make release`. Do not edit. */}}\n"
YAML_HEADER = "# Generated from config/ by `make release`. Do not edit.\n"


def objects(folder: Path) -> list[Object]:
    """Return what kustomize makes of a folder, in its order."""
    return [one for one in yaml.safe_load_all(kustomized(folder)) if one]


def chart() -> str:
    """Return Chart.yaml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    about = {
        "apiVersion": "v2",
        "name": "kubechain",
        "description": project["description"],
        "type": "application",
        "version": project["version"],
        "appVersion": project["version"],
        "kubeVersion": ">=1.30.0-0",
        "keywords": project["keywords"],
    }
    return YAML_HEADER + yaml.safe_dump(about, sort_keys=False, width=4096)


def hardened() -> str:
    """Return the values that give what config/hardened gives."""
    plain, strict = (arguments(CONFIG / folder) for folder in ("default", "hardened"))
    values = {
        "extraArgs": [argument for argument in strict if argument not in plain],
        "networkPolicy": {"enabled": True},
    }
    return YAML_HEADER + "# helm install … -f values-hardened.yaml\n" + yaml.safe_dump(values, sort_keys=False)


def arguments(folder: Path) -> list[str]:
    """Return the arguments of the manager in an overlay."""
    [manager] = [one for one in objects(folder) if one["kind"] == "Deployment"]
    return manager["spec"]["template"]["spec"]["containers"][0]["args"]


def files() -> dict[Path, str]:
    """Return every generated file of the chart by its path."""
    found: dict[tuple[str, str], Object] = {}
    for one in (one for folder in FOLDERS for one in objects(CONFIG / folder)):
        found.setdefault((one["kind"], one["metadata"]["name"]), one)
    made = {CHART / "templates" / path: HEADER + text for path, text in templates(found.values()).items()}
    return {**made, CHART / "Chart.yaml": chart(), CHART / "values-hardened.yaml": hardened()}


def main(given: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m hack.chart", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(given)
    # Named templates and notes are written by hand.
    templates_there = (CHART / "templates").rglob("*.yaml")
    return settled(files(), templates_there, is_check=options.check, repair="make release")


if __name__ == "__main__":
    sys.exit(main())
