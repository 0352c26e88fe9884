"""`kubechain report`: writes a page about a run."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "write a page about a run, as one file"
DESCRIPTION = """\
Write a page about a run: its answer, a timeline, the conversation with what each turn took and cost, the runs below it,
its plan, and what people decided. The page is one file that loads nothing: keep it, send it, open it offline.

It has what the API server shows you of the run: prompts, arguments and results. `kubechain ui` shows the same live.
"""
EPILOG = """\
examples:
  kubechain report hello-1                    writes hello-1.html
  kubechain report hello-1 -o run.html
  kubechain report hello-1 -o - | less
"""

STANDARD_OUTPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    add_cluster_flags(parser)
    parser.add_argument(
        "-o", "--output", default=None, metavar="FILE", help="where to (default: RUN.html; - is standard output)"
    )


def run(options: argparse.Namespace) -> int:
    """Write the page."""
    from kubechain.cli import clusters, references, wallclock
    from kubechain.cli.clusters import Place
    from kubechain.cli.gathering import gather
    from kubechain.pages.rendering import report
    from kubechain.views.telling import story_of

    name, pages = references.run_name(options.name), list[str]()

    async def command(place: Place) -> int:
        pages.append(report(story_of(await gather(place, name)), wallclock.now()))
        return 0

    status = clusters.run(options, command)
    _write(pages[0], options.output or f"{name}.html")
    return status


def _write(page: str, output: str) -> None:
    from kubechain.cli.terminal import Failure

    if output == STANDARD_OUTPUT:
        sys.stdout.flush()
        sys.stdout.buffer.write(page.encode())  # whatever the encoding of the terminal: the page says that it is UTF-8
        return
    try:
        Path(output).write_text(page, encoding="utf-8")
    except OSError as error:
        raise Failure(f'the report cannot be written: "{output}": {error.strerror}') from error
    print(f"written to {output}", file=sys.stderr)
