"""Writes what is no message, for ever."""

import sys

while True:
    sys.stdout.write("garbage " * 1000 + "\n")
