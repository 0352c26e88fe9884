"""The control plane of `kubechain dev`: the embedded one in this process, or kube-apiserver and etcd beside it."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from kubechain.api.crd import custom_resource_definitions
from kubechain.cli import devfolder, guide
from kubechain.cli.terminal import Failure, show
from kubechain.runtime import kubeconfig as runtime_kubeconfig
from kubechain.runtime.client import Client
from kubechain.runtime.clock import SystemClock
from kubechain.runtime.errors import TransportError
from kubechain.runtime.http import HttpExchange
from kubechain.runtime.transport import Exchange
from kubechain_apiserver import (
    KUBECONFIG_CONTEXT,
    AssetsControlPlane,
    AssetsError,
    ControlPlane,
    Faults,
    FaultsFileError,
    PortInUseError,
    StorageError,
    assets_of,
    read_faults,
)

Choice = Literal["embedded", "assets"]

CHECK_SECONDS = 1.0
"""Between two looks whether kube-apiserver and etcd still run."""

ESTABLISHED_SECONDS = 30.0
"""Limit for kube-apiserver to serve a new kind; it takes less than a second."""

POLL_SECONDS = 0.1
"""Between two questions whether a kind is served."""

_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


@dataclass(frozen=True, slots=True)
class PlaneOptions:
    """What was asked for on the command line.

    Attributes:
        choice: Which control plane.
        data_folder: None keeps nothing over restarts.
        port: Of the API server; 0 takes a free one.
        kubeconfig: Where to write it; absolute.
        faults: A file that says how the embedded API server shall fail; None: not at all.
    """

    choice: Choice
    data_folder: Path | None
    port: int
    kubeconfig: Path
    faults: Path | None


@dataclass(frozen=True, slots=True)
class Plane:
    """A control plane that serves our kinds.

    Attributes:
        url: Of the API server.
        folder: For files that belong to it.
        exchange: The way of the manager to it; None: by the kubeconfig.
        watch_over: Returns never, and raises `Failure` when the control plane ended by itself.
    """

    url: str
    folder: Path
    exchange: Exchange | None
    watch_over: Callable[[], Awaitable[None]]


async def start(options: PlaneOptions, stack: AsyncExitStack) -> Plane:
    """Start the control plane that was asked for; it is stopped with the stack.

    Raises:
        Failure: It cannot start.
    """
    require_ours(options.kubeconfig)
    options.kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    stack.enter_context(devfolder.kubeconfig_lock(options.kubeconfig))
    options = replace(options, port=devfolder.kept_port(options.data_folder, "api-server", options.port))
    match options.choice:
        case "embedded":
            plane = await _start_embedded(options, stack)
        case "assets":
            plane = await _start_assets(options, stack)
    devfolder.keep_port(options.data_folder, "api-server", plane.url)
    if options.data_folder is None:
        stack.callback(options.kubeconfig.unlink, missing_ok=True)
    return plane


def require_ours(kubeconfig: Path) -> None:
    """Refuse to overwrite a kubeconfig that something else wrote.

    Raises:
        Failure: The file is there and is not one of ours.
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


async def _start_embedded(options: PlaneOptions, stack: AsyncExitStack) -> Plane:
    try:
        faults = _read_faults(options, stack)
        plane = ControlPlane(options.data_folder, options.port, kubeconfig_path=options.kubeconfig, faults=faults)
        await stack.enter_async_context(plane)
    except PortInUseError as error:
        raise Failure(f"--port {options.port}: another program uses this port") from error
    except (StorageError, FaultsFileError) as error:
        raise Failure(str(error)) from error
    except OSError as error:
        where = error.filename or options.data_folder or options.kubeconfig.parent
        raise Failure(f'cannot write "{where}": {error.strerror}') from error
    for definition in custom_resource_definitions():
        plane.install_crd(definition)
    return Plane(plane.url, plane.folder, plane.exchange(lost=TransportError), _nothing_to_watch)


def _read_faults(options: PlaneOptions, stack: AsyncExitStack) -> Faults | None:
    if options.faults is None:
        return None
    faults = read_faults(options.faults)
    stack.callback(lambda: show(guide.fault_counts([faults.counts[rule] for rule in faults.rules])))
    return faults


async def _nothing_to_watch() -> None:
    await asyncio.Event().wait()


async def _start_assets(options: PlaneOptions, stack: AsyncExitStack) -> Plane:
    if options.faults is not None:
        raise Failure("--faults needs --control-plane=embedded: kube-apiserver cannot be made to fail", status=2)
    folder = options.data_folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kubechain-")))
    try:
        plane = AssetsControlPlane(
            folder,
            programs=assets_of(os.environ),
            port=options.port,
            kubeconfig=options.kubeconfig,
            keep_data=options.data_folder is not None,
        )
        stack.push_async_callback(asyncio.to_thread, plane.stop)
        await asyncio.to_thread(plane.start)
        await _install_definitions(plane.kubeconfig)
        await asyncio.to_thread(plane.rediscover)
    except AssetsError as error:
        raise Failure(str(error)) from error
    return Plane(plane.url, folder, None, lambda: _check(plane))


async def _check(plane: AssetsControlPlane) -> None:
    while True:
        await asyncio.sleep(CHECK_SECONDS)
        try:
            plane.check()
        except AssetsError as error:
            raise Failure(str(error)) from error


async def _install_definitions(kubeconfig: Path) -> None:
    """Apply our definitions, and wait until all of them are served.

    Raises:
        Failure: They are not served in time.
    """
    cluster = runtime_kubeconfig.load(clock=SystemClock(), path=str(kubeconfig))
    exchange = HttpExchange(cluster, user_agent="kubechain-dev")
    try:
        client = Client(exchange, clock=SystemClock())
        async with asyncio.timeout(ESTABLISHED_SECONDS):
            for definition in custom_resource_definitions():
                await _apply(client, definition)
            for definition in custom_resource_definitions():
                # The server of another process says so in no other way.
                while not await _is_established(client, definition["metadata"]["name"]):  # noqa: ASYNC110
                    await asyncio.sleep(POLL_SECONDS)
    except TimeoutError as error:
        raise Failure(f"kube-apiserver did not serve our kinds within {ESTABLISHED_SECONDS:.0f} s") from error
    finally:
        await exchange.aclose()


async def _apply(client: Client, definition: dict[str, Any]) -> None:
    target = f"{_DEFINITIONS}/{definition['metadata']['name']}?fieldManager=kubechain&force=true"
    headers = {"accept": "application/json", "content-type": "application/apply-patch+yaml"}
    await client.request("PATCH", target, headers=headers, body=msgspec.json.encode(definition))


async def _is_established(client: Client, name: str) -> bool:
    found = msgspec.json.decode(await client.request("GET", f"{_DEFINITIONS}/{name}"))
    conditions: list[dict[str, str]] = found.get("status", {}).get("conditions") or []
    return any((each["type"], each["status"]) == ("Established", "True") for each in conditions)
