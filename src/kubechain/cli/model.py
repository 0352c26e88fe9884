"""`kubechain model`: fetches or serves the local model, for demos and tests without a key or a network."""

from __future__ import annotations

import argparse

SUMMARY = "fetch or serve the local model"
DESCRIPTION = """\
Fetch or serve the local model: real inference on this machine, without a key or a network.

It is a small model that talks fluent nonsense: good for trying out the plumbing, not for its answers.
"""
EPILOG = """\
examples:
  kubechain model fetch                 into the user's cache folder, 98 MB, once
  kubechain model serve --port 9090     then an LLM with baseUrl http://127.0.0.1:9090/v1 can use it
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="actions", required=True)
    actions.add_parser("fetch", help="put the model's file into the cache, unless it is there")
    serve = actions.add_parser("serve", help="answer OpenAI-style requests on loopback until Ctrl-C")
    serve.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")


def run(options: argparse.Namespace) -> int:
    """Fetch or serve."""
    from kubechain.localmodel.__main__ import main

    return main([options.action, *(["--port", str(options.port)] if options.action == "serve" else [])])
