"""Ends right after it was listed, with words on its way out."""

from __future__ import annotations

import os
import sys

from raw import serve, tool


def crash() -> None:
    """Die."""
    sys.stderr.write(f"started at {os.getpid()}\nboom: token {os.environ.get('TOKEN')}\n")
    sys.stderr.flush()
    os._exit(3)


serve([tool("echo")], listed=crash)
