"""The command line: `python -m hack.cluster up | down | load ARCHIVE | check`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from hack.cluster import allowed, certificates, keeper, node
from hack.cluster.node import Node, NodeError
from hack.cluster.places import Places


def default_folder() -> Path:
    """Where the node of `make cluster-up` is."""
    cache = (
        os.environ.get("KUBECHAIN_CACHE")
        or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubechain"
    )
    return Path(cache) / "node"


def say(text: str) -> None:
    """Tell progress; standard output is for what scripts read."""
    print(f"cluster: {text}", file=sys.stderr, flush=True)


def up(options: argparse.Namespace) -> None:
    """Start a node that stays, and print the path of its kubeconfig."""
    if reason := allowed.why_not():
        raise NodeError(f"this machine cannot run a node: {reason}")
    places = Places(options.folder, node.build())
    if node.is_running(places):
        say(f"it runs already: {places.folder}")
    else:
        made = Node(places.folder, programs=places.programs, authority=options.authority, images=options.image, say=say)
        made.start(is_tied=False)
    say("export KUBECONFIG to the path below; `make cluster-load` puts the image of the manager on the node")
    print(places.kubeconfig)


def down(options: argparse.Namespace) -> None:
    """End the node, and remove what it left."""
    places = Places(options.folder, Path())
    if not node.end_running(places):
        keeper.clean(places)
        say("no node is running")


def load(options: argparse.Namespace) -> None:
    """Import an image into a running node."""
    places = Places(options.folder, node.build())
    if not node.is_running(places):
        raise NodeError("no node is running: make cluster-up")
    Node(places.folder, programs=places.programs).load(options.archive)


def check(_: argparse.Namespace) -> None:
    """Say whether this machine can run a node."""
    if reason := allowed.why_not():
        raise NodeError(f"this machine cannot run a node: {reason}")
    say("this machine can run a node")


def main() -> int:
    """Run the command line and return its exit status."""
    parser = argparse.ArgumentParser(prog="python -m hack.cluster", description="One real Kubernetes node.")
    parser.add_argument("--folder", type=Path, default=default_folder(), help="of the node (default: %(default)s)")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("up", help=up.__doc__)
    command.add_argument("--authority", choices=certificates.AUTHORITIES, default="strict", help="the sort of its CA")
    command.add_argument("--image", type=Path, action="append", default=[], help="an OCI archive to import; repeatable")
    command.set_defaults(run=up)
    commands.add_parser("down", help=down.__doc__).set_defaults(run=down)
    command = commands.add_parser("load", help=load.__doc__)
    command.add_argument("archive", type=Path)
    command.set_defaults(run=load)
    commands.add_parser("check", help=check.__doc__).set_defaults(run=check)
    options = parser.parse_args()
    try:
        options.run(options)
    except NodeError as error:
        say(str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
