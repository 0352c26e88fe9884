"""The process of `kubechain dev`: the embedded control plane, the manager, and optionally the local model.

They run in one task group: when one ends, the others end too.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import yaml

from kubechain.api.crd import custom_resource_definitions
from kubechain.cli import guide
from kubechain.cli.flags import Address
from kubechain.cli.manager import text_of
from kubechain.cli.terminal import STARTED_AT, Failure, show
from kubechain.localmodel import LocalModel, LocalModelError
from kubechain.localmodel.modelfile import MODEL_NAME
from kubechain.manager import ManagerOptions, run_manager
from kubechain.runtime.errors import TransportError
from kubechain_apiserver import (
    KUBECONFIG_CONTEXT,
    ControlPlane,
    Faults,
    FaultsFileError,
    PortInUseError,
    StorageInUseError,
    read_faults,
)

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
            plane = await self._start_plane(stack)
            ready = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                beside = group.create_task(self._run_beside(plane, ready, stop))
                await self._run_manager(plane, ready, stop)
                beside.cancel()
        return 0

    async def _start_plane(self, stack: AsyncExitStack) -> ControlPlane:
        options = self._options
        require_ours(options.kubeconfig)
        options.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
        try:
            faults = self._read_faults(stack)
            plane = ControlPlane(options.data_folder, options.port, kubeconfig_path=options.kubeconfig, faults=faults)
            await stack.enter_async_context(plane)
        except (PortInUseError, StorageInUseError, FaultsFileError) as error:
            raise Failure(str(error)) from error
        if options.data_folder is None:
            stack.callback(options.kubeconfig.unlink, missing_ok=True)
        for definition in custom_resource_definitions():
            plane.install_crd(definition)
        return plane

    def _read_faults(self, stack: AsyncExitStack) -> Faults | None:
        if self._options.faults is None:
            return None
        faults = read_faults(self._options.faults)
        stack.callback(lambda: show(guide.suffered([faults.suffered[rule] for rule in faults.rules])))
        return faults

    async def _run_manager(self, plane: ControlPlane, ready: asyncio.Event, stop: asyncio.Event) -> None:
        if not self._options.with_manager:
            ready.set()
            await stop.wait()
            return
        options = ManagerOptions(
            probe_address=text_of(self._options.health_address),
            metrics_address=text_of(self._options.metrics_address),
            grace_seconds=GRACE_SECONDS,
            max_concurrent_runs=self._options.max_concurrent_runs,
            allowed_addresses=self._options.allowed_addresses,
        )
        await run_manager(options, stop=stop, exchange=plane.exchange(lost=TransportError), on_ready=ready.set)

    async def _run_beside(self, plane: ControlPlane, ready: asyncio.Event, stop: asyncio.Event) -> None:
        """Start the model while the manager fills its caches, print when all is ready, and wait for the model's end."""
        if not self._options.with_model:
            await ready.wait()
            self._announce(plane)
            return
        try:
            async with LocalModel(port=self._options.model_port) as model:
                await ready.wait()
                self._announce(plane, model)
                status = await model.wait()
        except LocalModelError as error:
            raise Failure(str(error)) from error
        if not stop.is_set():
            raise Failure(f"the local model ended by itself: exit status {status}")

    def _announce(self, plane: ControlPlane, model: LocalModel | None = None) -> None:
        options = self._options
        facts = guide.Ready(
            seconds=time.monotonic() - STARTED_AT,
            url=plane.url,
            kubeconfig=options.kubeconfig,
            data_folder=options.data_folder,
            model_url=model.base_url if model else None,
            manifest=_write_manifest(plane.folder or options.kubeconfig.parent, model) if model else None,
            with_manager=options.with_manager,
            faults=options.faults,
        )
        show(guide.text(facts, sys.stdout))


def require_ours(kubeconfig: Path) -> None:
    """Refuse to overwrite a kubeconfig that something else wrote.

    Raises:
        Failure: The file exists and was not written by `kubechain dev`.
    """
    if not kubeconfig.exists():
        return
    try:
        content: object = yaml.safe_load(kubeconfig.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        content = None
    match content:
        case {"contexts": [{"name": str(name)}]} if name == KUBECONFIG_CONTEXT:
            return
        case _:
            raise Failure(f'kubeconfig: not written by kubechain dev, and not overwritten: "{kubeconfig}"')


def _write_manifest(folder: Path, model: LocalModel) -> Path:
    path = folder / "hello.yaml"
    path.write_text(guide.MODEL_MANIFEST.format(base_url=model.base_url, model=MODEL_NAME))
    return path
