"""Runs the suite on both servers and prints the counts side by side; or records what kube-apiserver answers.

    python -m packages.apiserver.conformance [--servers embedded,real] [--only TEXT] [--verbose]
    python -m packages.apiserver.conformance --record [--only TEXT]

Ends with 1 when a server differs from what is recorded and docs/api-server.md does not say so.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from packages.apiserver.conformance import golden
from packages.apiserver.conformance.servers import Server, ServerName, running
from packages.apiserver.conformance.suite import Entry, definitions, entries

Verdict = Literal["passed", "failed", "omitted"]
Counts = Counter[tuple[str, Verdict]]


def main() -> int:
    """Parse the command line, run, and return the exit status."""
    parser = argparse.ArgumentParser(description="The API cases on both servers.")
    parser.add_argument("--servers", default="embedded,real", help="which of embedded and real")
    parser.add_argument("--only", default="", help="cases whose area or name holds this text")
    parser.add_argument("--record", action="store_true", help="ask kube-apiserver and keep the answers")
    parser.add_argument("--verbose", action="store_true", help="say what differs, not only where")
    options = parser.parse_args()
    chosen = [entry for entry in entries() if options.only in f"{entry.area}: {entry.case.name}"]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        if options.record:
            return _record(chosen, Path(folder))
        return _judge(chosen, options.servers.split(","), Path(folder), verbose=options.verbose)


def _record(chosen: list[Entry], folder: Path) -> int:
    with running("real", folder, definitions()) as server:
        for file, group in itertools.groupby(chosen, lambda entry: entry.file):
            recorded = dict(golden.read(file))
            recorded.update((entry.case.name, entry.outcomes(server)) for entry in group)
            known = [entry.case.name for entry in entries() if entry.file == file]
            golden.write(file, {name: recorded[name] for name in known if name in recorded})
            print(f"{len(recorded):5} {file}", flush=True)
    return 0


def _judge(chosen: list[Entry], names: Iterable[ServerName], folder: Path, *, verbose: bool) -> int:
    counts: dict[str, Counts] = {}
    for name in names:
        assert name in get_args(ServerName), f"--servers: {name!r} is neither embedded nor real"
        began = time.monotonic()
        with running(name, folder / name, definitions()) as server:
            counts[name] = Counter((entry.area, _verdict(entry, server, verbose=verbose)) for entry in chosen)
        print(f"{name}: {sum(counts[name].values())} cases in {time.monotonic() - began:.0f} s", flush=True)
    _print_counts(counts, list(dict.fromkeys(entry.area for entry in chosen)))
    return int(any(verdict == "failed" for count in counts.values() for _, verdict in count))


def _verdict(entry: Entry, server: Server, *, verbose: bool) -> Verdict:
    differences = entry.differences(server)
    omission = entry.omission if server.name == "embedded" else None
    if omission is not None:
        if differences:
            return "omitted"
        differences = [f"no omission any more: {omission}"]
    if not differences:
        return "passed"
    print(f"FAILED {server.name}: {entry.area}: {entry.case.name}", flush=True)
    for line in differences[: None if verbose else 3]:
        print(f"  {line[: None if verbose else 600]}", flush=True)
    return "failed"


def _print_counts(counts: dict[str, Counts], areas: list[str]) -> None:
    """Print a table: a line for each area, three columns for each server."""
    print(f"\n{'':36}" + "".join(f"{name:^27}" for name in counts))
    print(f"{'area':36}" + f"{'passed':>9}{'failed':>9}{'omitted':>9}" * len(counts))
    for area in [*areas, "total"]:
        cells = [_sum(count, area, verdict) for count in counts.values() for verdict in get_args(Verdict)]
        print(f"{area:36}" + "".join(f"{cell:>9}" for cell in cells))


def _sum(count: Counts, area: str, verdict: Verdict) -> int:
    if area != "total":
        return count[area, verdict]
    return sum(number for (_, of), number in count.items() if of == verdict)


if __name__ == "__main__":
    sys.exit(main())
