"""`kubechain completion`: what a shell needs to complete commands, flags and names. argcomplete does the work."""

from __future__ import annotations

import argparse
import os

SUMMARY = "print what a shell needs to complete commands and names"
DESCRIPTION = """\
Print the code that lets a shell complete commands, flags and the names of what waits for a decision. The names come
from the cluster that the command line speaks of; when it does not answer, there are none.
"""
EPILOG = """\
examples:
  source <(kubechain completion bash)                       this shell; in ~/.bashrc: every one
  source <(kubechain completion zsh)                        after compinit
  kubechain completion fish > ~/.config/fish/completions/kubechain.fish
"""

SHELLS = ("bash", "zsh", "fish")

_ASKED = "_ARGCOMPLETE"
"""Environment variable in which the shell says that it wants completions."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(options: argparse.Namespace) -> int:
    """Print the code."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["kubechain"], use_defaults=False, shell=options.shell))
    return 0


def words() -> list[str] | None:
    """The words of the line that a shell completes; None where none asks."""
    return os.environ.get("COMP_LINE", "").split() if _ASKED in os.environ else None


def complete(parser: argparse.ArgumentParser) -> None:
    """Write the completions for the shell that asks, and end the process."""
    import argcomplete

    argcomplete.autocomplete(parser, always_complete_options=False)
