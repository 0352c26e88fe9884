"""Finds the command that was asked for and runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from types import ModuleType

import kubechain
from kubechain.cli import crds, dev, manager, model, terminal, version

COMMANDS: dict[str, ModuleType] = {
    "dev": dev,
    "manager": manager,
    "model": model,
    "crds": crds,
    "version": version,
}
"""In the order in which a newcomer needs them."""

DESCRIPTION = """\
Agents in YAML, worked with through kubectl, every step checkpointed in the API server.

New here? Run `kubechain dev`: it starts a small Kubernetes-compatible control plane
with the manager in it on this machine, and tells you what to type next.
"""

EPILOG = """\
examples:
  kubechain dev --model                 try it without a cluster, a key or a network
  kubechain manager --leader-elect      run the operator against the current kubeconfig
  kubechain crds | kubectl apply -f -   install the kinds

`kubechain COMMAND --help` explains a command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None means the process's own.

    Returns:
        The exit status: 0 for success, 1 for failure, 2 for no command, 130 when interrupted. argparse exits with 2 by
        itself when the command line is wrong.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser(given)
    if not given:
        parser.print_help(sys.stderr)
        return 2
    options = parser.parse_args(given)
    try:
        return int(options.run(options))
    except terminal.Failure as failure:
        terminal.complain(str(failure))
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. Python would complain again while it flushes at exit.
        sys.stderr.close()
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Declare all commands, but the flags of no other than the one that is named.

    A wrong environment variable of the manager must not keep anyone from asking for the version.
    """
    parser = argparse.ArgumentParser(
        prog="kubechain",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"kubechain {kubechain.__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", title="commands", required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name,
            help=module.SUMMARY,
            description=module.DESCRIPTION,
            epilog=module.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if name in given:
            module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
