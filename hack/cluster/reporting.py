"""Lines by which a starting node tells whoever waits for it how far it is."""

from __future__ import annotations

import contextlib
import os
import time

READY = "ready"
"""The last line of a node that has started."""

FAILED = "failed: "
"""How the last line of one begins that has not."""


class Report:
    """The writing end; it is closed by the last line, and it does not matter whether anybody reads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor
        self._began_at = time.monotonic()

    def say(self, what: str) -> None:
        """Tell a step that is done."""
        self._write(f"{time.monotonic() - self._began_at:5.1f} s  {what}")

    def ready(self) -> None:
        """Tell that the node has started."""
        self._write(READY)
        self._close()

    def failed(self, why: str) -> None:
        """Tell that it has not."""
        self._write(FAILED + " ".join(why.split()))
        self._close()

    def _write(self, line: str) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, f"{line}\n".encode())

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
