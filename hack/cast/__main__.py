"""Records the session, and writes the picture of the README.

    python -m hack.cast

It needs kubectl, bash and the development packages, and takes half a minute.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from hack.cast.drawing import drawn
from hack.cast.recording import COLUMNS, ROWS, CastError, Pace, recorded
from hack.cast.session import STEPS, TITLE

PICTURE = Path(__file__).resolve().parents[2] / "docs" / "pictures" / "session.svg"


def main() -> int:
    """Write the picture."""
    with tempfile.TemporaryDirectory(prefix="kubechain-cast-") as folder:
        try:
            frames = recorded(Path(folder), Pace())
        except CastError as error:
            print(error, file=sys.stderr)
            return 1
    description = "\n".join(f"$ {step.line}" for step in STEPS)
    text = drawn(frames, columns=COLUMNS, rows=ROWS, title=TITLE, description=description)
    PICTURE.write_text(text, encoding="utf-8")
    print(f"{PICTURE.name}: {len(frames)} pictures, {frames[-1].at:.0f} s, {len(text.encode()) / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
