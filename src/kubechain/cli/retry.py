"""`kubechain retry`: runs something again, from its beginning or from one of its turns."""

from __future__ import annotations

import argparse
from pathlib import Path

from kubechain.cli import names
from kubechain.cli.attendance import EXIT_STATUSES, add_starting_flags
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.flags import positive

SUMMARY = "run something again, from the beginning or from a turn"
DESCRIPTION = """\
Create a TaskRun like another one and stay with it; the other one stays as it is. With --from-turn it starts from the
conversation before the model's answer of that turn, which the model gives anew; tools that were called later than that
are not undone. The turn in which a run failed counts as one of its turns.
"""
EPILOG = f"""\
examples:
  kubechain retry hello-1
  kubechain retry hello-1 --from-turn 3
  kubechain retry hello-1 --system prompt.txt      with another system prompt
  kubechain retry hello-1 --from-turn 3 --llm gpt-4o    the same turn, another LLM

{EXIT_STATUSES}"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("name", metavar="RUN", help="TaskRun"), names.task_runs)
    parser.add_argument("--from-turn", type=positive, default=None, metavar="N", help="turn to begin with, from 1")
    parser.add_argument("--system", type=Path, default=None, metavar="FILE", help="another system prompt")
    llm = parser.add_argument("--llm", default=None, metavar="NAME", help="another LLM (default: the same)")
    names.completes(llm, names.llms)
    add_cluster_flags(parser)
    add_starting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Start the run, and stay with it."""
    from kubechain.cli import attending, clusters, references
    from kubechain.cli.clusters import Place
    from kubechain.cli.steering import Changes, retried

    name, made = references.run_name(options.name), list[str]()
    changes = Changes(_system(options.system), options.llm)

    async def command(place: Place) -> int:
        made.append(await retried(place, name, from_turn=options.from_turn, changes=changes))
        return 0

    clusters.run(options, command)
    return attending.attend_started(options, made[0])


def _system(path: Path | None) -> str | None:
    from kubechain.cli.terminal import Failure, unread

    if path is None:
        return None
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise unread("--system", path, error) from error
    if not text.strip():
        raise Failure(f"--system: {path} is empty", status=2)
    return text
