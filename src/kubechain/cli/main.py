"""Parses the command line and runs a command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import kubechain
from kubechain.cli import (
    answer,
    approve,
    audit,
    cancel,
    completion,
    continuing,
    conversation,
    crds,
    dev,
    doctor,
    explain,
    get,
    grants,
    init,
    lint,
    logs,
    manager,
    message,
    model,
    pending,
    reject,
    report,
    retry,
    run,
    terminal,
    top,
    tree,
    ui,
    version,
    watch,
)

COMMANDS: dict[str, ModuleType] = {
    "dev": dev,
    "manager": manager,
    "run": run,
    "watch": watch,
    "logs": logs,
    "conversation": conversation,
    "get": get,
    "tree": tree,
    "explain": explain,
    "report": report,
    "ui": ui,
    "top": top,
    "message": message,
    "cancel": cancel,
    "retry": retry,
    "continue": continuing,
    "pending": pending,
    "approve": approve,
    "reject": reject,
    "answer": answer,
    "grants": grants,
    "doctor": doctor,
    "init": init,
    "lint": lint,
    "audit": audit,
    "model": model,
    "crds": crds,
    "completion": completion,
    "version": version,
}
"""In the order of the help."""

PLUGIN_NAME = "kubectl kubechain"
"""What people type where kubectl finds the command as its plugin `kubectl-kubechain`."""

DESCRIPTION = """\
Agents in YAML, worked with through kubectl, every step checkpointed in the API server.

New here? Run `kubechain dev`: it starts a small Kubernetes-compatible control plane
with the manager in it on this machine, and tells you what to type next.
"""

EPILOG = """\
examples:
  kubechain dev --model                 try it without a cluster, a key or a network
  kubechain run "Hello?" --agent NAME   ask an agent, and see its answer
  kubechain manager --leader-elect      run the operator against the current kubeconfig
  kubechain crds | kubectl apply -f -   install the kinds

`kubechain COMMAND --help` explains a command.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Without the program's name; None means the process's own.

    Returns:
        The exit status: 0 for success, 1 for failure, 2 for no command, 130 when interrupted. argparse exits with 2
        when the command line is invalid.
    """
    if arguments is None and (words := completion.words()) is not None:
        completion.complete(_parser(words))
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser(given)
    if not given:
        parser.print_help(sys.stderr)
        return 2
    options = parser.parse_args(given)
    try:
        return int(options.run(options))
    except terminal.Failure as failure:
        terminal.print_error(str(failure))
        return failure.status
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, closed the pipe. Closed here, because the flush at exit would fail too.
        sys.stderr.close()
        return 1


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """Declare all commands, and the flags of the command that is used.

    Flags of other commands are left out, so that an invalid environment variable of one command does not break others.
    """
    parser = argparse.ArgumentParser(
        prog=PLUGIN_NAME if Path(sys.argv[0]).name.startswith("kubectl-") else "kubechain",
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
