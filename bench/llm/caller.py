"""One client with all its conversations, as a process of its own; prints what it measured.

python -m bench.llm.caller --client ours-chat --origin http://127.0.0.1:8080 --conversations 1000 --turns 5
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles

import uvloop

from bench.llm.clients import CLIENTS, Begin
from bench.llm.model import spoken
from bench.llm.openfiles import allow_connections

WARM_UP = 20
"""Conversations before it counts."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the process saw of itself.

    Attributes:
        failures: Of requests, by the name of the error; an answer to another text is a `WrongAnswer`.
    """

    seconds: float
    cpu_seconds: float
    requests: int
    failures: dict[str, int]
    idle_rss_mib: float
    peak_rss_mib: float
    p50_seconds: float
    p99_seconds: float


class WrongAnswer(Exception):
    """An answer to what another conversation said."""


class Tally:
    """The requests of all conversations."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.failures: Counter[str] = Counter()

    async def converse(self, begin: Begin, number: int, turns: int) -> None:
        """One conversation; a request that fails is counted, and the next turn goes on without its answer."""
        conversation = begin()
        for turn in range(turns):
            text = f"conversation {number}, turn {turn}: " + "what is the capital of the moon? " * 10
            began = time.perf_counter()
            try:
                answer = await conversation.ask(text)
                if answer != spoken(text):
                    raise WrongAnswer
            except Exception as error:
                self.failures[type(error).__name__] += 1
            self.seconds.append(time.perf_counter() - began)


async def all_at_once(begin: Begin, conversations: int, turns: int) -> Tally:
    """All conversations side by side, to their ends."""
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for number in range(conversations):
            group.create_task(tally.converse(begin, number, turns))
    return tally


async def measure(options: argparse.Namespace) -> Measured:
    """From an open client that is warm to the last answer."""
    async with CLIENTS[options.client](options.origin, options.conversations) as begin:
        await all_at_once(begin, WARM_UP, 2)
        gc.collect()
        idle_rss, cpu, began = reset_peak(), time.process_time(), time.perf_counter()
        tally = await all_at_once(begin, options.conversations, options.turns)
        return Measured(
            seconds=time.perf_counter() - began,
            cpu_seconds=time.process_time() - cpu,
            requests=len(tally.seconds),
            failures=dict(tally.failures),
            idle_rss_mib=idle_rss,
            peak_rss_mib=memory_mib("VmHWM"),
            p50_seconds=median(tally.seconds),
            p99_seconds=quantiles(tally.seconds, n=100)[98],
        )


def reset_peak() -> float:
    """Begin a new peak of the resident set; its size now, in MiB."""
    Path("/proc/self/clear_refs").write_text("5")
    return memory_mib("VmRSS")


def memory_mib(name: str) -> float:
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found.group(1)) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", choices=CLIENTS, required=True)
    parser.add_argument("--origin", required=True, help="of the model server")
    parser.add_argument("--conversations", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    allow_connections(options.conversations)
    print(json.dumps(asdict(uvloop.run(measure(options)))))


if __name__ == "__main__":
    main()
