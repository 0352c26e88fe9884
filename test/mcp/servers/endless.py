"""Writes one line that never ends."""

from __future__ import annotations

import sys

while True:
    sys.stdout.write("x" * 65536)
