"""Connects, then never reads its input again."""

from __future__ import annotations

import signal

from raw import serve, tool


def fall_deaf() -> None:
    """Stop reading."""
    while True:
        signal.pause()


serve([tool("echo")], listed=fall_deaf)
