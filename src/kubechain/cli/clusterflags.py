"""The flags of the commands that talk to a cluster, as kubectl has them."""

from __future__ import annotations

import argparse


def add_cluster_flags(parser: argparse.ArgumentParser) -> None:
    """Declare which cluster and which namespace."""
    parser.add_argument("-n", "--namespace", default="", metavar="NAME", help="namespace (default: the context's)")
    parser.add_argument(
        "--kubeconfig", default=None, metavar="FILE", help="how to reach the cluster (default: kubectl's)"
    )
    parser.add_argument("--context", default=None, metavar="NAME", help="context of the kubeconfig (default: its own)")


def add_listing_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of a command that lists objects."""
    add_cluster_flags(parser)
    parser.add_argument("-A", "--all-namespaces", action="store_true", help="list the objects of all namespaces")
