"""Parses the command line and runs a command."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
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
from kubechain.cli.parsing import Parser, meant

GROUPS: dict[str, dict[str, ModuleType]] = {
    "begin": {"dev": dev, "init": init, "lint": lint, "doctor": doctor},
    "run agents": {
        "run": run,
        "watch": watch,
        "message": message,
        "cancel": cancel,
        "retry": retry,
        "continue": continuing,
    },
    "see what they do": {
        "get": get,
        "explain": explain,
        "logs": logs,
        "tree": tree,
        "conversation": conversation,
        "top": top,
        "report": report,
        "ui": ui,
    },
    "decide and answer": {"pending": pending, "approve": approve, "reject": reject, "answer": answer, "grants": grants},
    "operate": {
        "manager": manager,
        "crds": crds,
        "audit": audit,
        "model": model,
        "completion": completion,
        "version": version,
    },
}
"""In the order of the help."""

COMMANDS: dict[str, ModuleType] = {name: module for group in GROUPS.values() for name, module in group.items()}

PLUGIN_NAME = "kubectl kubechain"
"""What people type where kubectl finds the command as its plugin `kubectl-kubechain`."""

DESCRIPTION = """\
Agents in YAML, worked with through kubectl, every step checkpointed in the API server.

New here? Run `kubechain dev --model`: it starts a small Kubernetes-compatible control plane with the manager and a
small model on this machine, and tells you what to type next.
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
    terminal.substitute_unencodable()
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser = _parser(given)
    if given and not given[0].startswith("-") and given[0] not in COMMANDS:
        parser.error(f'there is no command "{given[0]}"{meant(given[0], COMMANDS)}')
    if not given:
        parser.print_help(sys.stderr)
        return 2
    options, rest = parser.parse_known_args(given)
    if rest:
        options.parser.refuse_rest(rest)
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


def _parser(given: Sequence[str]) -> Parser:
    """Declare all commands, and the flags of the command that is used.

    Flags of other commands are left out, so that an invalid environment variable of one command does not break others.
    """
    prog = PLUGIN_NAME if Path(sys.argv[0]).name.startswith("kubectl-") else "kubechain"
    parser = Parser(
        prog=prog, usage=f"{prog} COMMAND ...", description=f"{DESCRIPTION}\n{_listed_commands()}", epilog=EPILOG
    )
    parser.add_argument("--version", action="version", version=f"kubechain {kubechain.__version__}")
    # The description lists the commands, in groups, which argparse does not have.
    commands = parser.add_subparsers(prog=prog, metavar="COMMAND", help=argparse.SUPPRESS, required=True)
    for name, module in COMMANDS.items():
        command = commands.add_parser(
            name, help=module.SUMMARY, description=module.DESCRIPTION, epilog=module.EPILOG, allow_abbrev=False
        )
        if name in given:
            module.add_arguments(command)
        command.set_defaults(run=module.run, parser=command)
    return parser


def _listed_commands() -> str:
    """The commands by what a person wants to do."""
    columns = shutil.get_terminal_size().columns - 2  # as argparse leaves free
    width, indent = max(columns, terminal.MIN_WRAP_COLUMNS), max(map(len, COMMANDS)) + 5

    def listed(name: str, summary: str) -> str:
        head = f"  {name}".ljust(indent)
        return textwrap.fill(summary, width, initial_indent=head, subsequent_indent=" " * indent)

    return "\n\n".join(
        "\n".join([f"{title}:", *(listed(name, module.SUMMARY) for name, module in group.items())])
        for title, group in GROUPS.items()
    )
