"""Many conversations at once: our client of model providers beside the async SDKs of OpenAI and Anthropic.

    python -m bench.llm --conversations 1000,2000 --turns 5 --latency 1

Model and client are processes of their own, a new one for each column. All conversations begin at once, share one
client, and have `--turns` requests one after the other, each with all that was said before. An answer that belongs to
another conversation is a failure. Nothing retries. The memory of a conversation is what the resident set grew by at
its peak, from a client that has made a few calls, divided by the conversations: with its connection, its messages and
what the client keeps.

    ours-chat, ours-messages        our client, in the format of OpenAI and of Anthropic
    openai, anthropic               the SDKs as they are: at most 1,000 connections, the other calls wait for one
    openai-wide, anthropic-wide     the SDKs with an HTTP client of no such limit
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bench.llm.caller import Measured
from bench.llm.clients import BESIDE, CLIENTS
from bench.processes import served
from bench.report import load_shown, show_table


@dataclass(frozen=True, slots=True)
class Figures:
    """What one client gave."""

    requests_per_second: float
    cpu_ms_per_request: float
    kib_per_conversation: float
    failures: float
    p50_ms: float
    p99_ms: float
    idle_rss_mib: float
    peak_rss_mib: float
    most_in_flight: float

    def times(self, ours: Figures) -> Ratios:
        """How many times ours these are."""
        return Ratios(
            requests_per_second=ratio(self.requests_per_second, ours.requests_per_second),
            cpu_ms_per_request=ratio(self.cpu_ms_per_request, ours.cpu_ms_per_request),
            kib_per_conversation=ratio(self.kib_per_conversation, ours.kib_per_conversation),
            idle_rss_mib=ratio(self.idle_rss_mib, ours.idle_rss_mib),
            peak_rss_mib=ratio(self.peak_rss_mib, ours.peak_rss_mib),
        )


@dataclass(frozen=True, slots=True)
class Ratios:
    """An SDK's figures divided by ours."""

    requests_per_second: float
    cpu_ms_per_request: float
    kib_per_conversation: float
    idle_rss_mib: float
    peak_rss_mib: float


def ratio(theirs: float, ours: float) -> float:
    return theirs / ours if ours else float("inf")


def model(latency_seconds: float, connections: int) -> AbstractContextManager[str]:
    """The model server; yields its origin."""
    command = [sys.executable, "-m", "bench.llm.model", f"--latency={latency_seconds}", f"--connections={connections}"]
    return served(command, "origin")


def measured(client: str, conversations: int, options: argparse.Namespace) -> Figures:
    """A new model and a new client."""
    with model(options.latency, conversations) as origin:
        command = [sys.executable, "-m", "bench.llm.caller", f"--client={client}", f"--origin={origin}"]
        command += [f"--conversations={conversations}", f"--turns={options.turns}"]
        found = Measured(**json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        with urllib.request.urlopen(f"{origin}/stats") as reply:
            most_in_flight = int(json.loads(reply.read())["mostInFlight"])
    if found.failures:
        print(f"{client}: {found.failures}", file=sys.stderr)
    return figures(found, conversations, most_in_flight, options.latency)


def figures(found: Measured, conversations: int, most_in_flight: int, latency_seconds: float) -> Figures:
    """What a process saw of itself, by request and by conversation; times without the model's latency."""
    return Figures(
        requests_per_second=found.requests / found.seconds,
        cpu_ms_per_request=found.cpu_seconds / found.requests * 1e3,
        kib_per_conversation=(found.peak_rss_mib - found.idle_rss_mib) * 1024 / conversations,
        failures=sum(found.failures.values()),
        p50_ms=(found.p50_seconds - latency_seconds) * 1e3,
        p99_ms=(found.p99_seconds - latency_seconds) * 1e3,
        idle_rss_mib=found.idle_rss_mib,
        peak_rss_mib=found.peak_rss_mib,
        most_in_flight=most_in_flight,
    )


ROWS = (
    ("requests per second", "requests_per_second", "{:.0f}"),
    ("CPU a request, ms", "cpu_ms_per_request", "{:.2f}"),
    ("RSS a conversation, KiB", "kib_per_conversation", "{:.1f}"),
    ("failures", "failures", "{:.0f}"),
    ("time beside the model, p50, ms", "p50_ms", "{:.0f}"),
    ("time beside the model, p99, ms", "p99_ms", "{:.0f}"),
    ("RSS of an idle client, MiB", "idle_rss_mib", "{:.0f}"),
    ("RSS at the peak, MiB", "peak_rss_mib", "{:.0f}"),
    ("most calls in flight, by model", "most_in_flight", "{:.0f}"),
)

RATIO_ROWS = (
    ("requests per second", "requests_per_second", "{:.2f}"),
    ("CPU a request", "cpu_ms_per_request", "{:.2f}"),
    ("RSS a conversation", "kib_per_conversation", "{:.2f}"),
    ("RSS of an idle client", "idle_rss_mib", "{:.2f}"),
    ("RSS at the peak", "peak_rss_mib", "{:.2f}"),
)


def show(results: Mapping[str, Figures], conversations: int, options: argparse.Namespace) -> None:
    """The table, and below it each SDK's figures divided by ours in the same format."""
    print(f"\n{conversations} conversations at once, {options.turns} turns, model latency {options.latency} s")
    print(f"the model alone would allow {conversations / options.latency:.0f} requests a second\n")
    show_table(results, ROWS, title_width=32, column_width=16)
    ratios = {
        name: found.times(results[BESIDE[name]]) for name, found in results.items() if BESIDE.get(name) in results
    }
    if ratios:
        print("\nSDK / ours")
        show_table(ratios, RATIO_ROWS, title_width=32, column_width=16)


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", default="1000,2000", help="at once, divided by commas")
    parser.add_argument("--turns", type=int, default=5, help="requests of each conversation")
    parser.add_argument("--latency", type=float, default=1.0, help="of the model, in seconds")
    parser.add_argument("--clients", default=",".join(CLIENTS))
    return parser


def main() -> None:
    options = arguments().parse_args()
    for count in map(int, options.conversations.split(",")):
        with load_shown():
            results: dict[str, Figures] = {}
            for name in options.clients.split(","):
                print(f"{name}: …", file=sys.stderr, flush=True)
                results[name] = measured(name, count, options)
            show(results, count, options)


if __name__ == "__main__":
    main()
