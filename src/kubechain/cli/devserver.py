"""The process of `kubechain dev`: a control plane, the manager, and optionally the local model.

They run in one task group: when one ends, the others end too.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from kubechain.cli import devfolder, devplane, guide
from kubechain.cli.devplane import Plane
from kubechain.cli.flags import Address
from kubechain.cli.manager import text_of
from kubechain.cli.terminal import STARTED_AT, Failure, show
from kubechain.localmodel import LocalModel, LocalModelError
from kubechain.localmodel.modelfile import MODEL_NAME
from kubechain.manager import ManagerOptions, run_manager

GRACE_SECONDS = 1.0
"""Short, because the user waits for it. Work that is cancelled is resumed at the next start."""


@dataclass(frozen=True, slots=True)
class DevOptions:
    """The options of the command line.

    Attributes:
        data_folder: None keeps everything in memory.
        port: Of the API server; 0 for any free port.
        kubeconfig: Where to write it; absolute.
        with_model: Whether to serve the local model.
        model_port: 0 for any free port.
        with_manager: Whether to run the manager too.
        max_concurrent_runs: Runs that may wait for a model at the same time.
        allowed_addresses: That HTTP tools may reach although they are not public.
        health_address: Of the manager's probes; None for none.
        metrics_address: Of the manager's metrics; None for none.
        faults: A file of faults to inject into the API server; None for none.
        control_plane: The embedded one, or the programs of $KUBEBUILDER_ASSETS.
    """

    data_folder: Path | None
    port: int
    kubeconfig: Path
    with_model: bool
    model_port: int
    with_manager: bool
    max_concurrent_runs: int
    allowed_addresses: tuple[str, ...]
    health_address: Address | None
    metrics_address: Address | None
    faults: Path | None = None
    control_plane: devplane.Choice = "embedded"


class DevServer:
    """Control plane, manager and model in one process."""

    def __init__(self, options: DevOptions) -> None:
        """Create a server that does not run yet."""
        self._options = options

    async def run(self, stop: asyncio.Event) -> int:
        """Run until the event is set.

        Raises:
            Failure: It cannot start, or the local model ended by itself.
        """
        async with AsyncExitStack() as stack:
            plane = await devplane.start(self._plane_options(), stack)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                beside = group.create_task(self._run_beside(plane, ready, stop))
                watch = group.create_task(_watch_over(plane))
                await self._run_manager(plane, ready, stop)
                beside.cancel()
                watch.cancel()
        return 0

    def _plane_options(self) -> devplane.PlaneOptions:
        options = self._options
        return devplane.PlaneOptions(
            choice=options.control_plane,
            data_folder=options.data_folder,
            port=options.port,
            kubeconfig=options.kubeconfig,
            faults=options.faults,
        )

    async def _run_manager(self, plane: Plane, ready: asyncio.Event, stop: asyncio.Event) -> None:
        if not self._options.with_manager:
            ready.set()
            await stop.wait()
            return
        options = ManagerOptions(
            kubeconfig=None if plane.exchange else str(self._options.kubeconfig),
            probe_address=text_of(self._options.health_address),
            metrics_address=text_of(self._options.metrics_address),
            grace_seconds=GRACE_SECONDS,
            max_concurrent_runs=self._options.max_concurrent_runs,
            allowed_addresses=self._options.allowed_addresses,
            # The embedded control plane has no admission policies, and the manager is an administrator here.
            admission_policy="",
        )
        await run_manager(options, stop=stop, exchange=plane.exchange, on_ready=ready.set)

    async def _run_beside(self, plane: Plane, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Start the model while the manager fills its caches, print when all is ready, and wait for the model's end."""
        if not self._options.with_model:
            await ready.wait()
            self._announce(plane)
            return
        try:
            folder = self._options.data_folder
            async with LocalModel(port=devfolder.kept_port(folder, "model", self._options.model_port)) as model:
                devfolder.keep_port(folder, "model", model.base_url)
                await ready.wait()
                self._announce(plane, model)
                status = await model.wait()
        except LocalModelError as error:
            flag = f"--model-port {self._options.model_port}: " if self._options.model_port else ""
            raise Failure(f"{flag}{error}") from error
        if not stop.is_set():
            raise Failure(f"the local model ended by itself: exit status {status}")

    def _announce(self, plane: Plane, model: LocalModel | None = None) -> None:
        options = self._options
        facts = guide.Ready(
            seconds=time.monotonic() - STARTED_AT,
            url=plane.url,
            kubeconfig=options.kubeconfig,
            data_folder=options.data_folder,
            model_url=model.base_url if model else None,
            manifest=_write_manifest(plane.folder, model) if model else None,
            with_manager=options.with_manager,
            faults=options.faults,
            program_folder=None if shutil.which("kubechain") else Path(sys.argv[0]).absolute().parent,
        )
        show(guide.text(facts, sys.stdout))


async def _watch_over(plane: Plane) -> None:
    await plane.watch_over()


def _write_manifest(folder: Path, model: LocalModel) -> Path:
    path = folder / "hello.yaml"
    path.write_text(guide.MODEL_MANIFEST.format(base_url=model.base_url, model=MODEL_NAME))
    return path
