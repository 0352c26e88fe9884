"""`kubechain version`: prints the installed version."""

from __future__ import annotations

import argparse
import platform

import kubechain

SUMMARY = "show what is installed"
DESCRIPTION = "Show the version of this installation."
EPILOG = """\
examples:
  kubechain version
  kubechain version -o json | jq -r .version
"""

API_VERSION = "kubechain.humanlayer.dev/v1alpha1"
"""A copy, because importing the models would make this command slow."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="how to print (default: text)")


def run(options: argparse.Namespace) -> int:
    """Print the version."""
    facts = {
        "version": kubechain.__version__,
        "apiVersion": API_VERSION,
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
    }
    if options.output == "json":
        import json  # here: the import takes a tenth of the time of this command

        print(json.dumps(facts, indent=2))
    else:
        print(f"kubechain {facts['version']} ({facts['apiVersion']}, Python {facts['python']}, {facts['platform']})")
    return 0
