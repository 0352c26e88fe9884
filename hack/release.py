"""Write config/release: a file that installs everything, the CRDs alone, the stamps of users; `make release` runs it.

`--check` writes nothing and fails when the files on disk differ. `--version v1.2.3` writes those of that release too,
which nothing changes afterwards; `make release VERSION=v1.2.3` runs that. `kubectl kustomize` does the rendering.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

from hack.generated import ROOT, settled

RELEASE = ROOT / "config" / "release"
MANAGER = ROOT / "config" / "manager" / "kustomization.yaml"
HEADER = "# Generated from config/ by `make release`. Do not edit.\n"

SOURCES: Mapping[str, Path] = {
    ".yaml": ROOT / "config" / "default",
    "-crds.yaml": ROOT / "config" / "crd",
    "-stamps.yaml": ROOT / "config" / "admission-stamps",
}
"""What each file is made of, by what follows the version in its name."""


class ReleaseError(Exception):
    """Raised when a version cannot be released. The message says what to do."""


def kustomized(folder: Path) -> str:
    """Return what kustomize makes of a folder.

    Raises:
        subprocess.CalledProcessError: kustomize refuses; what it says is on standard error.
    """
    return subprocess.run(["kubectl", "kustomize", str(folder)], check=True, stdout=subprocess.PIPE, text=True).stdout


def files(names: list[str], folder: Path) -> dict[Path, str]:
    """Return the text of the files of each name, such as `latest`."""
    texts = {suffix: HEADER + kustomized(source) for suffix, source in SOURCES.items()}
    return {folder / f"{name}{suffix}": text for name in names for suffix, text in texts.items()}


def check_version(version: str, folder: Path) -> None:
    """Refuse a version that the image and the package do not have, or that has been released.

    Raises:
        ReleaseError: It is refused.
    """
    if not re.fullmatch(r"v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?", version):
        raise ReleaseError(f"version {version!r}: must look like v1.2.3")
    for path, found in versions().items():
        if f"v{found}" != version:
            raise ReleaseError(f"version {version}: {path.relative_to(ROOT)} says {found}: set it there first")
    for path in sorted(folder.glob(f"{version}*.yaml")):
        if path.name in {f"{version}{suffix}" for suffix in SOURCES}:
            raise ReleaseError(f"version {version}: {path.name} is there already: what was released is never changed")


def versions() -> dict[Path, str]:
    """Return the version by each file that has it."""
    project = ROOT / "pyproject.toml"
    tag = re.search(r"newTag: (\S+)", MANAGER.read_text())
    assert tag is not None, "the image of the manager has a tag"
    return {project: tomllib.loads(project.read_text())["project"]["version"], MANAGER: tag[1]}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    parser.add_argument("--version", default="", help="also write the files of this version, such as v1.2.3")
    parser.add_argument("--folder", type=Path, default=RELEASE, help="where the files are")
    options = parser.parse_args(arguments)
    try:
        if options.version:
            check_version(options.version, options.folder)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    expected = files(["latest", *([options.version] if options.version else [])], options.folder)
    return settled(expected, is_check=options.check, repair="make release")


if __name__ == "__main__":
    sys.exit(main())
