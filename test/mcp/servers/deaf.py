"""Connects, then never reads its input again."""

import signal

from raw import serve, tool


def fall_deaf() -> None:
    """Stop reading."""
    while True:
        signal.pause()


serve([tool("echo")], listed=fall_deaf)
