"""The command line: `python -m hack.image [--variant slim] ARCHIVE`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from hack.image import archive
from hack.image.build import ImageError, Wanted, build
from hack.image.variants import SBOMS, VARIANTS, name_of


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m hack.image", description="The image of the manager.")
    parser.add_argument("archive", type=Path)
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0], help="default: %(default)s")
    parser.add_argument("--name", default="", help="default: that of config/manager, and the variant")
    parser.add_argument("--no-cache", action="store_true", help="take nothing of an earlier build")
    options = parser.parse_args()
    name = options.name or name_of(options.variant)
    try:
        build(Wanted(options.variant, name, options.archive, is_fresh=options.no_cache))
    except (ImageError, subprocess.CalledProcessError) as error:
        print(f"image: {error}", file=sys.stderr)
        return 1
    folder, prefix = options.archive.parent, options.archive.name
    made = archive.write_sboms(archive.read(options.archive), SBOMS[options.variant], folder, prefix)
    print(f"image: {name}: {options.archive}; SBOM: {', '.join(map(str, made))}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
