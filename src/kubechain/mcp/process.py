"""A child process with pipes, in its own process group; stopping it stops the whole group.

This module does not parse messages. It starts children without a shell. It does not use the subprocess support of
asyncio, which starts a thread for each child, and which waits for EOF on pipes that a grandchild may keep open.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import anyio

from kubechain.mcp.failures import ConnectFailure
from kubechain.mcp.warden import Warden
from kubechain.mcp.warden_process import MARK, end_marked

_LAUNCHER = Path(__file__).with_name("launcher.py")
HIDDEN_FOLDERS = ("/var/run/secrets",)
"""Directory of the service account token; with it, a server could act in the cluster as the manager."""

_READ_AHEAD_BYTES = 64 * 1024
_REAP_SECONDS = 1.0
"""How long to wait for a killed process to exit; it takes microseconds on an idle machine."""

_POLL_SECONDS = 0.01
"""Interval at which the exit code of a child is polled while it is being stopped."""


class PipeWriter(asyncio.BaseProtocol):
    """Writes to a pipe, with flow control."""

    def __init__(self) -> None:
        """Create a writer that is not yet connected."""
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_closed = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Store the transport of the pipe."""
        self._transport = cast(asyncio.WriteTransport, transport)  # not every event loop subclasses WriteTransport

    def pause_writing(self) -> None:
        """Block writes: the buffer is full."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """Allow writes again: the buffer has space."""
        self._can_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail later writes: the reader has closed the pipe, or `close` was called."""
        self._is_closed = True
        self._can_write.set()

    async def write(self, data: bytes) -> None:
        """Write, and wait while the buffer is full.

        Raises:
            BrokenPipeError: The pipe is closed.
        """
        if self._is_closed or self._transport is None:
            raise BrokenPipeError
        self._transport.write(data)
        await self._can_write.wait()
        if self._is_closed:
            raise BrokenPipeError

    def close(self) -> None:
        """Close the pipe and discard buffered data."""
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():  # asyncio fails at the second close
            transport.abort()


class ChildProcess:
    """A running child process. Create it with `start`, and always call `stop` or `abandon`."""

    def __init__(self, popen: subprocess.Popen[bytes], warden: Warden, mark: str) -> None:
        """Wrap a process that was just started with this mark in its environment."""
        self._popen = popen
        self._mark = mark
        self._warden = warden
        self._pipes = [pipe for pipe in (popen.stdin, popen.stdout, popen.stderr) if pipe is not None]
        self._readers: list[asyncio.ReadTransport] = []
        self._is_abandoned = False
        self.stdin = PipeWriter()
        self.stdout = asyncio.StreamReader(limit=_READ_AHEAD_BYTES)
        self.stderr = asyncio.StreamReader(limit=_READ_AHEAD_BYTES)
        warden.watch(popen.pid)

    @classmethod
    async def start(
        cls,
        program: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        warden: Warden,
        hidden: Sequence[str] = HIDDEN_FOLDERS,
    ) -> ChildProcess:
        """Start a program.

        Args:
            program: Absolute path of the program.
            argv: Arguments of the program, starting with argv[0].
            environment: All environment variables of the program.
            warden: Kills the process group when the manager dies.
            hidden: Directories that the program must not read; needs a kernel with Landlock.

        Raises:
            ConnectFailure: The program cannot be started; permanent.
        """
        mark = warden.next_mark()
        try:
            popen = subprocess.Popen(  # noqa: ASYNC220, S603  blocks about 1 ms; the spec chooses the program
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), os.pathsep.join(hidden), program, *argv],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment, MARK: mark},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its arguments hold a NUL character"
            raise ConnectFailure(f"command: cannot be started: {reason}", is_permanent=True) from error
        child = cls(popen, warden, mark)
        try:
            await child._connect()
        except BaseException:
            child.abandon()
            with anyio.CancelScope(shield=True):
                await child.wait(_REAP_SECONDS)
            raise
        return child

    @property
    def pid(self) -> int:
        """Id of the child process and of its process group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """Exit code; negative when a signal ended the process; None while it runs."""
        return self._popen.poll()

    async def wait(self, seconds: float) -> int | None:
        """Wait at most `seconds` for the exit; return the exit code, or None while the process runs."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (code := self.exit_code) is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return code

    def end_outputs(self) -> None:
        """Read no more from the process; what was read before still comes, and then the end."""
        for transport in self._readers:
            transport.close()

    async def stop(self, grace_seconds: float) -> None:
        """Close stdin and wait for the exit; then send SIGTERM, then SIGKILL to the group. Bounded; idempotent."""
        try:
            self.stdin.close()
            if await self.wait(grace_seconds) is None:
                self._signal(signal.SIGTERM)
                await self.wait(grace_seconds)
        finally:
            self.abandon()
        await self.wait(grace_seconds)

    def abandon(self) -> None:
        """Kill the process, its group and what left the group, and wait at most 0.05 s. Idempotent."""
        if self._is_abandoned:
            return
        self._is_abandoned = True
        self._signal(signal.SIGKILL)
        end_marked(self._mark)
        self.stdin.close()
        self.end_outputs()
        for pipe in self._pipes:
            pipe.close()
        self._warden.forget(self.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=0.05)

    async def _connect(self) -> None:
        """Register the pipes with the event loop, whose transports then own and close them."""
        loop = asyncio.get_running_loop()
        stdin, *outputs = self._pipes
        await loop.connect_write_pipe(lambda: self.stdin, stdin)
        self._pipes.remove(stdin)
        for reader, pipe in zip((self.stdout, self.stderr), outputs, strict=True):
            protocol = asyncio.StreamReaderProtocol(reader)
            transport, _ = await loop.connect_read_pipe(lambda p=protocol: p, pipe)
            self._pipes.remove(pipe)
            self._readers.append(transport)

    def _signal(self, number: signal.Signals) -> None:
        # The kernel does not reuse the id of a group that has members, so no other group gets the signal.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
