"""Keeps a node: makes its cgroups and namespaces, and ends with it. `python -m hack.cluster.keeper OPTIONS-AS-JSON`.

It stays outside of the namespaces. When it ends, however it does, the standard input of process 1 of the node closes:
that process ends, and the kernel ends everything in its namespace. The sweeper, whose standard input closes too, then
removes cgroups and files.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from hack.cluster import cgroups, components, images
from hack.cluster.places import BUSYBOX_IMAGE, PAUSE_IMAGE, Places
from hack.cluster.reporting import Report

TAKEN = 3
"""Exit status where another node has the folder."""

ENTER = 'for group in "$@"; do echo $$ >"$group/cgroup.procs" || exit 1; done; exec unshare {flags} {program}'
"""Enters the cgroups that are its arguments, then the namespaces: the order makes them the roots of the latter."""

NAMESPACES = (
    "--mount", "--net", "--cgroup", "--pid", "--uts", "--ipc",
    "--fork", "--kill-child", "--mount-proc", "--propagation", "private",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Options:
    """What a keeper is started with.

    Attributes:
        folder: Of the node; what is in it is removed.
        programs: What hack/cluster/build.sh has built.
        authority: One of `certificates.AUTHORITIES`.
        images: More OCI archives to import.
        report: Descriptor for a `Report`.
        is_tied: End when standard input does.
    """

    folder: str
    programs: str
    authority: str
    images: list[str]
    report: int
    is_tied: bool

    @property
    def places(self) -> Places:
        """The files of the node."""
        return Places(Path(self.folder), Path(self.programs))

    def as_json(self) -> str:
        """For the command line."""
        return json.dumps(asdict(self))


def keep(options: Options, report: Report) -> None:
    """Start the node, and return when it has ended."""
    places = options.places
    lock = _locked(places)
    clean(places)
    places.logs.mkdir(parents=True, mode=0o700)
    with socket.create_server(("127.0.0.1", 0)) as relay, _swept(options, lock):
        components.write(places, options.authority, relay.getsockname()[1])
        _write_images(places)
        groups = cgroups.planned(f"kubechain-node-{os.getpid()}")
        cgroups.record(places.groups, groups)
        cgroups.create(groups)
        report.say("certificates, images and cgroups are made")
        node = _start(options, groups, relay.fileno())
        assert node.stdin is not None
        _end_with(node.stdin, is_tied=options.is_tied)
        places.init.write_text(str(_child_of(node)))
        node.wait()


def clean(places: Places) -> None:
    """Remove what an earlier node left that nobody swept, and the logs of that node."""
    cgroups.sweep(cgroups.recorded(places.groups))
    shutil.rmtree(places.folder, ignore_errors=True)


def _locked(places: Places) -> IO[bytes]:
    """Lock the folder.

    Raises:
        BlockingIOError: A node runs there, or is being swept.
    """
    places.folder.parent.mkdir(parents=True, exist_ok=True)
    lock = places.lock.open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _write_images(places: Places) -> None:
    places.images.mkdir()
    busybox = shutil.which("busybox")
    assert busybox is not None
    applets = subprocess.run([busybox, "--list"], check=True, capture_output=True, text=True).stdout.split()
    for name, program, links, entry in (
        (PAUSE_IMAGE, places.program("pause"), (), ["/bin/pause"]),
        (BUSYBOX_IMAGE, Path(busybox), [name for name in applets if name != "busybox"], ["/bin/sh"]),
    ):
        short = name.partition(":")[0].rpartition("/")[2]
        layer = images.Layer(places.images / "layer")
        layer.file(program, f"bin/{short}", links=[f"bin/{link}" for link in links])
        layer.close()
        full = name if "/" in name else f"docker.io/library/{name}"
        config = {"Cmd": entry, "Env": ["PATH=/bin"]}
        images.write_archive(places.images / f"{short}.tar", full, layer.path, config)
        layer.path.unlink()


@contextmanager
def _swept(options: Options, lock: IO[bytes]) -> Generator[None]:
    """Start the sweeper, which begins once this ends, however it does."""
    sweeper = subprocess.Popen(
        [sys.executable, "-m", "hack.cluster.sweeper", options.as_json()],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=(lock.fileno(),),
        start_new_session=True,
    )
    assert sweeper.stdin is not None
    with sweeper.stdin:
        yield


def _start(options: Options, groups: Sequence[Path], relay: int) -> subprocess.Popen[bytes]:
    """Start process 1 of the node."""
    inside = shlex.join([sys.executable, "-m", "hack.cluster.inside", options.as_json(), str(relay)])
    command = ENTER.format(flags=" ".join(NAMESPACES), program=inside)
    with (options.places.logs / "node.log").open("ab") as log:
        return subprocess.Popen(
            ["sh", "-c", command, "node", *map(str, groups)],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(relay, options.report),
            start_new_session=True,
        )


def _end_with(node: IO[bytes], *, is_tied: bool) -> None:
    """Close the node's standard input at a signal, and at the end of our own if we are tied to it."""

    def end(*_: object) -> None:
        if not node.closed:
            node.close()

    def read() -> None:
        sys.stdin.buffer.read()
        os.kill(os.getpid(), signal.SIGTERM)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    if is_tied:
        threading.Thread(target=read, daemon=True).start()


def _child_of(process: subprocess.Popen[bytes]) -> int:
    """Return the process id of the node's process 1: the only child that `unshare` has."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
        time.sleep(0.02)
    return 0


def main() -> int:
    """Run the command line and return its exit status."""
    options = Options(**json.loads(sys.argv[1]))
    report = Report(options.report)
    try:
        keep(options, report)
    except BlockingIOError:
        report.failed(f"a node runs in {options.folder}, or is being removed: make cluster-down")
        return TAKEN
    except (OSError, subprocess.SubprocessError) as error:
        report.failed(f"{type(error).__name__}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
