"""A conversation of ten megabytes in a small window: what each turn costs, and how much is written.

    python -m bench.growth

The story is the one of `test.controllers.taskrun.test_long_conversations`: decisions, requests, chunks and statuses as
a manager makes them, without an API server and a model. Times are of the whole of a turn, over fifty turns each; a
cost that grows with the conversation would show as times that rise. Chunks are read from memory here; the last line
says how many.
"""

from __future__ import annotations

import sys
import time

from bench.report import load_shown
from kubechain.controllers.taskrun import contextsize
from test.controllers.taskrun.test_long_conversations import SIZES, TURNS, Story

STRETCH = 50


def main() -> int:
    """Go through the story, and print what its stretches took."""
    with load_shown():
        _measure()
    return 0


def _measure() -> None:
    story, begun = Story(), time.perf_counter()
    for turn in range(TURNS):
        story.ask()
        story.call_tool(SIZES[turn % len(SIZES)] if turn % 7 else 1_000_000)
        if (turn + 1) % STRETCH == 0:
            seconds, begun = time.perf_counter() - begun, time.perf_counter()
            print(f"turns {turn + 2 - STRETCH:3} to {turn + 1:3}: {1000 * seconds / STRETCH:6.1f} ms a turn")
    said, written = contextsize.size_bytes(story.said), sum(story.sizes)
    print(f"{said / 1e6:.1f} MB said, {written / 1e6:.1f} MB written ({written / said:.2f} times)")
    print(f"largest object {max(story.sizes) / 1024:.0f} KiB, {story.summaries} summaries")
    print(f"at most {max(story.reads)} of {len(story.made)} chunks read at once")


if __name__ == "__main__":
    sys.exit(main())
