"""Removes what is left of a node once its keeper has ended: `python -m hack.cluster.sweeper OPTIONS-AS-JSON`."""

from __future__ import annotations

import json
import shutil
import signal
import sys

from hack.cluster import cgroups
from hack.cluster.keeper import Options
from hack.cluster.places import Places


def sweep(places: Places) -> None:
    """End what runs, and remove cgroups and files, but not the logs."""
    left = cgroups.sweep(cgroups.recorded(places.groups))
    for each in places.folder.iterdir():
        if each.is_dir() and each != places.logs:
            shutil.rmtree(each, ignore_errors=True)
        elif each.is_file():
            each.unlink()
    if left:
        cgroups.record(places.groups, left)  # the next node tries again


def main() -> None:
    """Run the command line: wait for the keeper's end, whatever ends it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    sweep(Options(**json.loads(sys.argv[1])).places)


if __name__ == "__main__":
    main()
