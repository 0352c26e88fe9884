"""`kubechain crds`: prints the CustomResourceDefinitions."""

from __future__ import annotations

import argparse

SUMMARY = "print the CustomResourceDefinitions"
DESCRIPTION = "Print the CustomResourceDefinitions that this version works with, as YAML."
EPILOG = """\
examples:
  kubechain crds | kubectl apply -f -
  kubechain crds | kubectl diff -f -      what an upgrade would change
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line: the command has no flags."""


def run(_options: argparse.Namespace) -> int:
    """Print all definitions as one YAML stream."""
    import yaml

    from kubechain.api.crd import custom_resource_definitions

    definitions = custom_resource_definitions()
    print(yaml.safe_dump_all(definitions, sort_keys=False, explicit_start=True, width=4096), end="")
    return 0
