"""Serves the live page on loopback until Ctrl-C."""

from __future__ import annotations

import asyncio
import socket
import webbrowser
from collections.abc import Sequence

import uvicorn

from kubechain.cli.clusters import Place
from kubechain.cli.live.app import Site
from kubechain.cli.live.guard import Guard
from kubechain.cli.terminal import Failure, show

HOST = "127.0.0.1"

GRACE_SECONDS = 1
"""For requests at the end: those of events never end by themselves."""


async def serve(places: Sequence[Place], own_namespace: str, *, port: int, opens_browser: bool) -> int:
    """Print the address, open it, and serve.

    Args:
        port: 0 for any free one.

    Raises:
        Failure: The port is taken.
    """
    with _listening(port) as listening:
        guard = Guard(Site(places, own_namespace).app(), listening.getsockname()[1])
        config = uvicorn.Config(
            guard,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )
        show(f"runs are shown at {guard.address}\nThe address opens once. Ctrl-C ends the page.")
        if opens_browser:
            await asyncio.to_thread(webbrowser.open, guard.address)
        await uvicorn.Server(config).serve(sockets=[listening])
    return 0


def _listening(port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.bind((HOST, port))
        made.listen()  # before the address is printed
    except OSError as error:
        made.close()
        raise Failure(f"--port: {HOST}:{port}: {error.strerror}") from error
    return made
