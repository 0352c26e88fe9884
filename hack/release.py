"""Write config/release: a file that installs everything, the CRDs alone, the stamps of users; `make release` runs it.

`--check` writes nothing and fails when the files on disk differ. `kubectl kustomize` does the rendering.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "config" / "release"
HEADER = "# Generated from config/ by `make release`. Do not edit.\n"

SOURCES: Mapping[str, Path] = {
    "latest.yaml": ROOT / "config" / "default",
    "latest-crds.yaml": ROOT / "config" / "crd",
    "latest-stamps.yaml": ROOT / "config" / "admission-stamps",
}


def kustomized(folder: Path) -> str:
    """Return what kustomize makes of a folder.

    Raises:
        subprocess.CalledProcessError: kustomize refuses; what it says is on standard error.
    """
    return subprocess.run(["kubectl", "kustomize", str(folder)], check=True, stdout=subprocess.PIPE, text=True).stdout


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(arguments)
    status = 0
    for name, folder in SOURCES.items():
        path, text = RELEASE / name, HEADER + kustomized(folder)
        if path.exists() and path.read_text() == text:
            continue
        if options.check:
            print(f"{path.relative_to(ROOT)}: out of date, run `make release`", file=sys.stderr)
            status = 1
        else:
            RELEASE.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
