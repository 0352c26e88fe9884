"""`kubechain dev`: a control plane and the manager in one process, for development."""

from __future__ import annotations

import argparse
from pathlib import Path

from kubechain.cli.flags import Flags, address, positive
from kubechain.cli.manager import add_log_flags, add_tool_flags, listeners
from kubechain.cli.terminal import Failure

SUMMARY = "start a control plane with the manager in it, on this machine"
DESCRIPTION = """\
Start a small Kubernetes-compatible control plane with the manager in it, on this machine.

It serves kubectl on loopback, needs no cluster, no container and no root, and is ready within two
seconds. It is for development, demos and tests; production is a cluster. Ctrl-C ends it; a second
Ctrl-C ends it at once.
"""
EPILOG = """\
examples:
  kubechain dev                       state in memory, gone at the end
  kubechain dev --model               with the local model: no key, no network
  kubechain dev --data-dir ./state    state in a folder: a restart resumes every run
  kubechain dev --faults faults.yaml  an API server that fails as the file says
  kubechain dev --control-plane assets  kube-apiserver and etcd of $KUBEBUILDER_ASSETS
  kubechain dev --no-manager          the control plane alone; run `kubechain manager` beside it
"""

DEFAULT_KUBECONFIG = ".kubechain/kubeconfig"
"""Relative to the working directory, so that two projects do not share one."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    flags = Flags(parser)
    flags.value("--data-dir", default="", metavar="DIR", help="keep everything in this folder; none: in memory")
    flags.value(
        "--control-plane",
        default="embedded",
        choices=("embedded", "assets"),
        help="the API server: ours, in this process; or kube-apiserver and etcd of the folder $KUBEBUILDER_ASSETS",
    )
    flags.value(
        "--port",
        default="0",
        type=_port,
        metavar="PORT",
        has_variable=False,  # in a pod, Kubernetes sets KUBECHAIN_PORT for a Service named kubechain
        help="port of the API server; 0: a free one, which --data-dir keeps",
    )
    flags.value(
        "--kubeconfig",
        default="",
        metavar="FILE",
        has_variable=False,  # the manager reads KUBECHAIN_KUBECONFIG; it must not name a file to overwrite here
        help=f"where to write the kubeconfig; none: {DEFAULT_KUBECONFIG}, or in the data folder",
    )
    flags.switch("--model", default=False, help="serve the local model too, and write a manifest that uses it")
    flags.value(
        "--model-port",
        default="0",
        type=_port,
        metavar="PORT",
        help="port of the model; 0: a free one, which --data-dir keeps",
    )
    flags.switch("--no-manager", default=False, help="start the control plane alone")
    flags.value("--faults", default="", metavar="FILE", help="faults of the API server, to see operators suffer")
    flags.value("--max-concurrent-runs", default="1000", type=positive, metavar="N", help="runs that may wait at once")
    flags.value("--health-probe-bind-address", default="0", type=address, metavar="ADDRESS", help="of /readyz; 0: none")
    flags.value("--metrics-bind-address", default="0", type=address, metavar="ADDRESS", help="of /metrics; 0: none")
    add_tool_flags(flags)
    add_log_flags(flags)


def _port(text: str) -> int:
    return 0 if text == "0" else positive(text)


def run(options: argparse.Namespace) -> int:
    """Run until interrupted."""
    from kubechain import logs
    from kubechain.cli import process

    try:
        from kubechain.cli.devserver import DevOptions, DevServer
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("kubechain_apiserver"):
            raise Failure("kubechain dev needs the extra dev-server, kubechain-apiserver") from error
        raise

    logs.configure(level=options.log_level, format=options.log_format)
    data_folder = Path(options.data_dir).expanduser().resolve() if options.data_dir else None
    server = DevServer(
        DevOptions(
            control_plane=options.control_plane,
            data_folder=data_folder,
            port=options.port,
            kubeconfig=_kubeconfig(options.kubeconfig, data_folder),
            with_model=options.model,
            model_port=options.model_port,
            with_manager=not options.no_manager,
            max_concurrent_runs=options.max_concurrent_runs,
            allowed_addresses=options.allow_addresses,
            health_address=options.health_probe_bind_address,
            metrics_address=options.metrics_bind_address,
            faults=Path(options.faults).expanduser() if options.faults else None,
        )
    )
    return process.run(server.run, flags=listeners(options))


def _kubeconfig(given: str, data_folder: Path | None) -> Path:
    if given:
        return Path(given).expanduser().resolve()
    return data_folder / "kubeconfig" if data_folder else Path(DEFAULT_KUBECONFIG).resolve()
