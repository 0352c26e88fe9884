"""Write config/crd/bases from the models of kubechain.api; `make manifests` runs it.

`--check` writes nothing and fails when the files on disk differ.
"""

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import yaml

from kubechain.api.crd import custom_resource_definitions

ROOT = Path(__file__).resolve().parent.parent
BASES = ROOT / "config" / "crd" / "bases"
HEADER = "# Generated from src/kubechain/api by `make manifests`. Do not edit.\n"


def generated_files() -> Mapping[Path, str]:
    """Return the text of every generated file by its path."""
    return {
        BASES / f"{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml": HEADER + as_yaml(crd)
        for crd in custom_resource_definitions()
    }


def as_yaml(document: object) -> str:
    """Return one YAML document, keys in their given order, long lines unbroken."""
    return "---\n" + yaml.safe_dump(document, sort_keys=False, width=4096, allow_unicode=True)


def drifted(expected: Mapping[Path, str], folder: Path) -> list[Path]:
    """Return the files that differ, are missing, or are there although nothing generates them."""
    differing = [path for path, text in expected.items() if not path.exists() or path.read_text() != text]
    return sorted([*differing, *(set(folder.glob("*.yaml")) - expected.keys())])


def write(expected: Mapping[Path, str], folder: Path) -> None:
    """Make the folder hold exactly the expected files."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in drifted(expected, folder):
        if path in expected:
            path.write_text(expected[path])
        else:
            path.unlink()


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs")
    options = parser.parse_args(arguments)
    expected = generated_files()
    if not options.check:
        write(expected, BASES)
        return 0
    stale = drifted(expected, BASES)
    for path in stale:
        print(f"{path.relative_to(ROOT)}: out of date, run `make manifests`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
