"""Writes the picture of the dashboard: some minutes of a manager at work, drawn by Grafana's panels.

    python -m hack.panels [--minutes 12]

It needs the development packages, kubectl, npm, Chromium (`hack/test_programs.sh`) and Prometheus (`hack/prometheus.sh`
fetches it).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hack import dashboard
from hack.panels.drawing import DrawingError, bundle, draw
from hack.panels.series import Span, empty, found
from hack.panels.world import SCRAPE_SECONDS, a_world

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "dashboard.webp"


def main() -> int:
    """Write the picture."""
    parser = argparse.ArgumentParser(prog="python -m hack.panels", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=12.0, help="how long the manager works (default: 12)")
    minutes: float = parser.parse_args().minutes
    try:
        bundle()  # before the minutes of work
        shown = observed(60 * minutes)
        picture = draw(shown)
    except DrawingError as error:
        print(error, file=sys.stderr)
        return 1
    if nothing := empty(shown["dashboard"], shown["found"]):
        print(f"nothing found for: {', '.join(nothing)}", file=sys.stderr)
        return 1
    PICTURE.write_bytes(picture)
    print(f"{PICTURE.name}: {len(picture) / 1000:.0f} kB")
    return 0


def observed(seconds: float) -> dict[str, Any]:
    """What Prometheus has found after so many seconds of work."""
    shown: dict[str, Any] = json.loads(dashboard.text())
    with tempfile.TemporaryDirectory(prefix="kubechain-panels-") as folder, a_world(Path(folder)) as world:
        began = time.time()
        world.work(seconds)
        span = Span(began, time.time(), SCRAPE_SECONDS)
        series = found(shown, world.prometheus, span)
    return {"dashboard": shown, "found": series, "from": int(1000 * span.start), "to": int(1000 * span.end)}


if __name__ == "__main__":
    sys.exit(main())
