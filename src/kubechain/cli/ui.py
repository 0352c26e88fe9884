"""`kubechain ui`: shows runs live in the browser."""

from __future__ import annotations

import argparse

from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "show runs live in the browser, and decide there"
DESCRIPTION = """\
Show all runs that you may see in the browser, live: the list, and each run with its timeline, conversation, tree and
plan. What waits for you is approved, rejected and answered there. The page acts as you, with your kubeconfig; it is
served on this machine alone, and opens once, with the address that is printed.
"""
EPILOG = """\
examples:
  kubechain ui                       runs of all namespaces, or of your own where that is forbidden
  kubechain ui -n research           runs of one namespace
  kubechain ui -n research,support   runs of two
  kubechain ui --no-browser          prints the address, and opens nothing
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    add_cluster_flags(parser)
    parser.add_argument("--port", type=int, default=0, metavar="PORT", help="on loopback (default: any free one)")
    parser.add_argument("--no-browser", action="store_true", help="do not open the browser")


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C."""
    from dataclasses import replace

    from kubechain.cli import clusters
    from kubechain.cli.clusters import Place
    from kubechain.cli.live.serving import serve

    async def command(place: Place) -> int:
        wanted = [each for each in options.namespace.split(",") if each] or [None]
        places = [replace(place, namespace=each) for each in wanted]
        return await serve(
            places, place.namespace or "default", port=options.port, opens_browser=not options.no_browser
        )

    return clusters.run(options, command)
