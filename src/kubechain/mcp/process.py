"""A child process with pipes, in a process group of its own that is ended as a whole.

It knows nothing of messages. Children are started without a shell and without the event loop's own subprocess
machinery: that one starts a thread for each child, and waits for the pipes' end when a grandchild holds them.
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

_LAUNCHER = Path(__file__).with_name("launcher.py")
HIDDEN_FOLDERS = ("/var/run/secrets",)
"""Where a pod finds the token of its service account; a server must not speak to the cluster in the manager's name."""

_READ_AHEAD_BYTES = 64 * 1024
_REAP_SECONDS = 1.0
"""For a killed process to be gone; microseconds on an idle machine."""

_LOOK_SECONDS = 0.01
"""Between two looks at whether a child has ended; only while one is being stopped."""


class PipeWriter(asyncio.BaseProtocol):
    """Writes into a pipe, as fast as the other end reads."""

    def __init__(self) -> None:
        """Create it unconnected."""
        self._can_write = asyncio.Event()
        self._can_write.set()
        self._is_closed = False
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.WriteTransport, transport)  # of any event loop; some do not subclass it

    def pause_writing(self) -> None:
        """Called by the event loop: the reader is slow."""
        self._can_write.clear()

    def resume_writing(self) -> None:
        """Called by the event loop: the reader has caught up."""
        self._can_write.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop: the reader is gone, or we have closed."""
        self._is_closed = True
        self._can_write.set()

    async def write(self, data: bytes) -> None:
        """Write, and wait until the reader is near.

        Raises:
            BrokenPipeError: the reader is gone.
        """
        if self._is_closed or self._transport is None:
            raise BrokenPipeError
        self._transport.write(data)
        await self._can_write.wait()
        if self._is_closed:
            raise BrokenPipeError

    def close(self) -> None:
        """Close; what is buffered and cannot be written is dropped."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class ChildProcess:
    """A running child. Made by `start`; whoever has one must `stop` it."""

    def __init__(self, popen: subprocess.Popen[bytes], warden: Warden) -> None:
        """Take over a process that was just started."""
        self._popen = popen
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
            program: Absolute path.
            argv: Its arguments, with its own name first.
            environment: All of its variables.
            warden: Ends it when the manager cannot.
            hidden: Folders that it cannot read, where the kernel can see to that.

        Raises:
            ConnectFailure: it cannot be started; permanent.
        """
        try:
            popen = subprocess.Popen(  # noqa: ASYNC220, S603  a millisecond; the program is what the spec says
                [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), os.pathsep.join(hidden), program, *argv],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "its arguments hold a NUL character"
            raise ConnectFailure(f"command: cannot be started: {reason}", is_permanent=True) from error
        child = cls(popen, warden)
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
        """The child's number, and that of its process group."""
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """How it ended; negative: by that signal; None: it runs."""
        return self._popen.poll()

    async def wait(self, seconds: float) -> int | None:
        """Wait for its end at most so long; return how it ended, None if it has not."""
        deadline = asyncio.get_running_loop().time() + seconds
        while (code := self.exit_code) is None and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(_LOOK_SECONDS)
        return code

    async def stop(self, grace_seconds: float) -> None:
        """Close its input, let it end; then SIGTERM, then SIGKILL, to the whole group. Bounded; idempotent."""
        try:
            self.stdin.close()
            if await self.wait(grace_seconds) is None:
                self._signal(signal.SIGTERM)
                await self.wait(grace_seconds)
        finally:
            self.abandon()
        await self.wait(grace_seconds)

    def abandon(self) -> None:
        """Kill the whole group now, without waiting for anything. Idempotent."""
        if self._is_abandoned:
            return
        self._is_abandoned = True
        self._signal(signal.SIGKILL)
        self.stdin.close()
        for transport in self._readers:
            transport.close()
        for pipe in self._pipes:
            pipe.close()
        self._warden.forget(self.pid)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=0.05)

    async def _connect(self) -> None:
        """Hand the pipes to the event loop, which from then on closes them."""
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
        # The group's number stays taken while any member lives, so this never reaches a stranger.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)
