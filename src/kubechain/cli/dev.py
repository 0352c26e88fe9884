"""`kubechain dev`: a control plane and the manager in one process, for a laptop."""

from __future__ import annotations

import argparse

SUMMARY = "start a control plane with the manager in it, on this machine"
DESCRIPTION = EPILOG = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""


def run(options: argparse.Namespace) -> int:
    """Run until interrupted."""
    raise NotImplementedError
