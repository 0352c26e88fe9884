"""`kubechain run`: asks an agent, shows how it works, and prints its answer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, cast

from kubechain.cli import names
from kubechain.cli.attendance import EXIT_STATUSES, add_starting_flags
from kubechain.cli.clusterflags import add_cluster_flags
from kubechain.cli.flags import seconds

SUMMARY = "ask an agent, and see its answer"
DESCRIPTION = """\
Create a TaskRun and stay with it to its end: what goes on is shown on standard error, the answer is printed on standard
output. Ctrl-C asks whether to leave the run alone or to cancel it.
"""
EPILOG = f"""\
examples:
  kubechain run "What is the capital of the moon?" --agent my-assistant
  kubechain run --file question.txt > answer.txt
  git diff | kubechain run - --agent reviewer --timeout 10m
  kubechain run "Clean up." --agent janitor --detach -o name
  kubechain run "Which cities?" --output-schema cities.yaml | jq '.cities[0]'

{EXIT_STATUSES}"""

STANDARD_INPUT = "-"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("question", nargs="?", metavar="QUESTION", help="what the agent is asked; - reads it")
    parser.add_argument("--file", type=Path, default=None, metavar="FILE", help="what the agent is asked")
    agent = parser.add_argument("-a", "--agent", default=None, metavar="NAME", help="Agent (default: the only one)")
    names.completes(agent, names.agents)
    parser.add_argument(
        "--output-schema", type=Path, default=None, metavar="FILE",
        help="JSON schema, in JSON or YAML, of the object that the answer must be",
    )  # fmt: skip
    parser.add_argument(
        "--ttl", type=seconds, default=None, metavar="DURATION",
        help="delete the run so long after its end, such as 720h (default: it is kept)",
    )  # fmt: skip
    add_cluster_flags(parser)
    add_starting_flags(parser)


def run(options: argparse.Namespace) -> int:
    """Start the run, and stay with it."""
    question, schema = _question(options), _schema(options.output_schema)

    from kubechain.cli import attending, clusters
    from kubechain.cli.clusters import Place
    from kubechain.cli.steering import started

    made = list[str]()

    async def command(place: Place) -> int:
        name = await started(place, question, options.agent, output_schema=schema, ttl_seconds=options.ttl)
        made.append(name)
        return 0

    clusters.run(options, command)
    return attending.attend_started(options, made[0])


def _schema(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import yaml

    from kubechain.cli.terminal import Failure, unread

    try:
        schema = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise Failure(f"--output-schema: {path}: {error}", status=2) from error
    except (OSError, UnicodeDecodeError) as error:
        raise unread("--output-schema", path, error) from error
    if not isinstance(schema, dict):
        raise Failure(f"--output-schema: {path} holds no object", status=2)
    return cast("dict[str, Any]", schema)


def _question(options: argparse.Namespace) -> str:
    from kubechain.cli.terminal import Failure, unread

    if (options.question is None) == (options.file is None):
        raise Failure("a question is needed: as an argument, with --file, or - for standard input", status=2)
    if options.file is not None:
        try:
            text = options.file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise unread("--file", options.file, error) from error
    else:
        text = sys.stdin.read() if options.question == STANDARD_INPUT else options.question
    if not text.strip():
        raise Failure("the question is empty", status=2)
    return text
