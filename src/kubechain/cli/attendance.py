"""Flags of the commands that start or watch a run and stay until its end."""

from __future__ import annotations

import argparse
import sys

from kubechain.cli.flags import boolean, seconds
from kubechain.cli.output import add_output_flag

EXIT_STATUSES = "exit status: 0 answered, 1 failed, 2 wrong usage, 3 cancelled, 4 time-out, 5 waits for a person\n"
"""For the help of these commands."""


def add_waiting_flags(parser: argparse.ArgumentParser) -> None:
    """Declare how long to stay."""
    parser.add_argument(
        "--timeout", type=seconds, default=None, metavar="DURATION", help="stop waiting after this time, such as 5m"
    )
    parser.add_argument(
        "--wait-for-people",
        type=boolean,
        nargs="?",
        const=True,
        metavar="true|false",
        default=sys.stdout.isatty(),
        help="go on waiting while nothing but a person moves the run; else that ends the command with status 5 "
        "(default: true on a terminal)",
    )


def add_starting_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a command that starts a run."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--wait", action="store_true", help="stay until the run is over (default)")
    how.add_argument("--detach", action="store_true", help="start the run, print its name, and leave it alone")
    add_waiting_flags(parser)
    add_output_flag(parser)
