"""Fetches something for as many seconds as its first argument says, then serves."""

from __future__ import annotations

import sys
import time

from raw import serve, tool

sys.stderr.write("Resolving\n\x1b[31merror\x1b[0m: no mirror answers\nstill fetching\n")
sys.stderr.flush()
time.sleep(float(sys.argv[1]))
serve([tool("echo")])
