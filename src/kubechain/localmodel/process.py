"""The local model as a child process, from the parent's side.

    async with LocalModel() as model:
        ... model.base_url ...

The child holds the reading end of a pipe whose writing end only the parent has: it ends when the parent ends, even by
SIGKILL.
"""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from typing import Self

from kubechain.localmodel.errors import LocalModelError
from kubechain.localmodel.server import DEFAULT_ALIASES, require_parts

START_TIMEOUT_SECONDS = 60.0
"""A start takes half a second; a loaded CI machine with a cold disk needs more."""

STOP_TIMEOUT_SECONDS = 5.0


class LocalModel:
    """A child process that serves the model on loopback."""

    def __init__(self, *, port: int = 0, aliases: Sequence[str] = DEFAULT_ALIASES, threads: int | None = None) -> None:
        """Keep the settings; `start` starts the child.

        Args:
            port: On 127.0.0.1; 0 takes a free one.
            aliases: Names under which the model is listed.
            threads: For inference; None takes as many as cores, at most 4.
        """
        self._port = port
        self._aliases = tuple(aliases)
        self._threads = threads
        self._process: Process | None = None
        self._base_url: str | None = None

    @property
    def base_url(self) -> str:
        """What an LLM's `parameters.baseUrl` must be; known once started."""
        if self._base_url is None:
            raise RuntimeError("LocalModel is not running")
        return self._base_url

    @property
    def pid(self) -> int | None:
        """The child's process id; None when it is not running."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the child and wait until it serves.

        Raises:
            LocalModelError: The engine or the file is missing, or it does not start.
        """
        if self._process is not None:
            raise RuntimeError("LocalModel is running already")
        require_parts()
        # A session of its own: Ctrl-C at the terminal ends the parent only, which then stops the child.
        self._process = await asyncio.create_subprocess_exec(
            *self._command(), stdin=PIPE, stdout=PIPE, stderr=DEVNULL, start_new_session=True
        )
        try:
            self._base_url = await self._announcement(self._process)
        except BaseException:
            await self.stop()
            raise

    async def wait(self) -> int:
        """Wait until the child ends, and return its exit status."""
        if self._process is None:
            raise RuntimeError("LocalModel is not running")
        return await self._process.wait()

    async def stop(self) -> None:
        """Stop the child, if it is running."""
        process, self._process, self._base_url = self._process, None, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def __aenter__(self) -> Self:
        """Start the child."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop the child."""
        await self.stop()

    def _command(self) -> list[str]:
        command = [sys.executable, "-m", "kubechain.localmodel", "serve", "--managed", "--port", str(self._port)]
        command += [f"--alias={alias}" for alias in self._aliases]
        return command + ([f"--threads={self._threads}"] if self._threads else [])

    async def _announcement(self, process: Process) -> str:
        if process.stdout is None:
            raise RuntimeError("the child has no stdout")
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                line = await process.stdout.readline()
        except TimeoutError:
            raise LocalModelError(f"the model was not ready within {START_TIMEOUT_SECONDS:g} s") from None
        if not line:
            raise LocalModelError(f"the model's process ended at its start, exit status {await process.wait()}")
        said = json.loads(line)
        if "error" in said:
            raise LocalModelError(str(said["error"]))
        return str(said["baseUrl"])
