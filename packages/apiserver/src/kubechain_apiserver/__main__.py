"""Run the API server alone, for tests and for trying things out.

    python -m kubechain_apiserver --data-dir data --kubeconfig kubeconfig --port 6443 --crd config/crd/bases

`kubechain dev` runs the manager as well.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import uvloop
import yaml

from kubechain_apiserver.controlplane import ControlPlane


def main() -> None:
    """Parse the command line and serve until a signal comes."""
    parser = argparse.ArgumentParser(
        prog="python -m kubechain_apiserver", description="A Kubernetes API server on loopback."
    )
    parser.add_argument("--data-dir", type=Path, help="keep everything in this folder; memory when not given")
    parser.add_argument("--kubeconfig", type=Path, help="where to write the kubeconfig")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--crd", type=Path, action="append", default=[], help="file or folder of CRDs to install")
    uvloop.run(serve(parser.parse_args()))


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with ControlPlane(options.data_dir, options.port, kubeconfig_path=options.kubeconfig) as plane:
        for path in options.crd:
            install(plane, path)
        sys.stdout.write(f"KUBECONFIG={plane.kubeconfig_path}\n")
        sys.stdout.flush()
        await ended.wait()


def install(plane: ControlPlane, path: Path) -> None:
    """Install the CRDs of a file, or of all files of a folder."""
    for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
        for document in yaml.safe_load_all(file.read_text()):
            if document:
                plane.install_crd(document)


if __name__ == "__main__":
    main()
