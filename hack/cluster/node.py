"""Starts and ends a node; for tests, and for the command line."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from hack.cluster import keeper
from hack.cluster.inside import import_arguments
from hack.cluster.keeper import Options
from hack.cluster.places import NODE_ADDRESS, Places
from hack.cluster.reporting import FAILED, READY

ROOT = Path(__file__).resolve().parents[2]
BUILD_SCRIPT = ROOT / "hack" / "cluster" / "build.sh"

_CLONE_NEWNET = 0x40000000


class NodeError(Exception):
    """Raised when a node cannot be built, started or used; the message says why."""


def build() -> Path:
    """Build the programs of a node unless that was done before, and return their folder.

    Raises:
        NodeError: The build failed.
    """
    done = subprocess.run([BUILD_SCRIPT], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise NodeError(f"build of the node failed: exit status {done.returncode}")
    return Path(done.stdout.splitlines()[-1])


class Node:
    """A node in a folder of its own. As a context manager it ends with the block, or with this process.

    Attributes:
        places: Its files.
    """

    def __init__(
        self,
        folder: Path,
        *,
        programs: Path,
        authority: str = "strict",
        images: Sequence[Path] = (),
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Prepare; nothing is written or started yet.

        Args:
            folder: What is in it is removed, and it is left with the logs only.
            programs: What `build` returned.
            authority: One of `certificates.AUTHORITIES`.
            images: OCI archives to import beside pause and busybox.
            say: Gets a line for each step of the start.
        """
        self.places = Places(folder.resolve(), programs)
        self._authority = authority
        self._images = images
        self._say = say
        self._keeper: subprocess.Popen[bytes] | None = None

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, by loopback of this machine."""
        return self.places.kubeconfig

    @property
    def init(self) -> int:
        """The process id of process 1 of the node, as this machine counts."""
        return int(self.places.init.read_text())

    def start(self, *, is_tied: bool = True) -> Self:
        """Start it and return when it is ready for Pods.

        Args:
            is_tied: End with this process; otherwise it stays until `end_running`.

        Raises:
            NodeError: It did not start; nothing is left but its logs.
        """
        if missing := [str(image) for image in self._images if not image.is_file()]:
            raise NodeError(f"{', '.join(missing)}: no such file")
        reading, writing = os.pipe()
        options = Options(
            folder=str(self.places.folder),
            programs=str(self.places.programs),
            authority=self._authority,
            images=[str(image) for image in self._images],
            report=writing,
            is_tied=is_tied,
        )
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "hack.cluster.keeper", options.as_json()],
            cwd=ROOT,
            stdin=subprocess.PIPE if is_tied else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=None if is_tied else subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        with open(reading, encoding="utf-8") as lines:
            self._follow(lines)
        return self

    def stop(self) -> None:
        """End it, and return when nothing is left but its logs. May be called again."""
        if self._keeper is None:
            return
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()
        self._keeper.terminate()
        is_ours = self._keeper.wait() != keeper.TAKEN
        self._keeper = None
        if is_ours:
            wait_until_swept(self.places)

    def load(self, archive: Path) -> None:
        """Import an OCI archive, as `kind load` does.

        Raises:
            NodeError: It is not an image, or not there.
        """
        if not archive.is_file():
            raise NodeError(f"{archive}: no such file")
        done = self.run(str(self.places.program("ctr")), *import_arguments(archive.resolve()))
        if done.returncode != 0:
            raise NodeError(f"{archive}: {done.stderr.strip()}")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine inside the node, and return what it said."""
        enter = ["nsenter", f"--target={self.init}", "--mount", "--net", "--pid", "--cgroup"]
        return subprocess.run([*enter, *command], capture_output=True, text=True, check=False)

    def listening(self) -> socket.socket:
        """Return a socket that listens at the node's address: Pods reach what this process serves on it."""
        made: list[socket.socket] = []

        def listen() -> None:
            # The network namespace is that of the thread, which ends here; the socket keeps the one it was made in.
            with open(f"/proc/{self.init}/ns/net", "rb") as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_server((NODE_ADDRESS, 0)))

        thread = threading.Thread(target=listen)
        thread.start()
        thread.join()
        if not made:
            raise NodeError("no socket in the node's network")
        return made[0]

    def _follow(self, lines: IO[str]) -> None:
        last = ""
        for line in lines:
            last = line.rstrip("\n")
            if last == READY:
                return
            if not last.startswith(FAILED):
                self._say(last)
        if self._keeper is not None:
            self._keeper.wait()  # it ends by itself
        self.stop()
        why = last.removeprefix(FAILED) if last.startswith(FAILED) else "its keeper ended without a word"
        raise NodeError(f"the node did not start: {why}")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def is_running(places: Places) -> bool:
    """Whether anything of a node is left in that folder."""
    if not places.lock.exists():
        return False
    with places.lock.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def end_running(places: Places) -> bool:
    """End the node of that folder, and say whether there was one."""
    if not is_running(places):
        return False
    with contextlib.suppress(ProcessLookupError, FileNotFoundError, ValueError):
        os.kill(int(places.init.read_text()), signal.SIGKILL)
    wait_until_swept(places)
    return True


def wait_until_swept(places: Places) -> None:
    """Wait until nothing of the node is left."""
    with contextlib.suppress(FileNotFoundError), places.lock.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        places.lock.unlink(missing_ok=True)
