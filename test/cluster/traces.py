"""What a node may leave behind on this machine; a test says that it leaves nothing but logs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hack.cluster.places import Places


def left_of(places: Places, groups: Sequence[Path]) -> list[str]:
    """What is left of a node.

    Args:
        places: Its files.
        groups: Its cgroups, as they were recorded while it ran.
    """
    files = {path.name for path in places.folder.iterdir()} - {places.logs.name}
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return [
        *(f"file {name}" for name in sorted(files)),
        *(f"cgroup {group}" for group in groups if group.exists()),
        *(f"mount {line}" for line in mounts if str(places.folder) in line),
        *(f"process {line}" for line in _processes({group.name for group in groups} | {str(places.folder)})),
    ]


def _processes(marks: set[str]) -> Iterator[str]:
    """The processes that are in a cgroup of that name, or have that folder on their command line.

    One that has ended and waits for init to reap it is none: that is up to the machine.
    """
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            groups = (process / "cgroup").read_text()
            state = (process / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it has just ended
            continue
        if state != "Z" and any(mark in groups or mark in command for mark in marks):
            yield f"{process.name} {command}"
