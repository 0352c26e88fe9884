"""Writes what is no message, for ever."""

from __future__ import annotations

import sys

while True:
    sys.stdout.write("garbage " * 1000 + "\n")
