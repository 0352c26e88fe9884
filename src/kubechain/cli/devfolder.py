"""What `kubechain dev` keeps beside the objects: a lock on its kubeconfig, and the ports of its last start."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Literal, cast

from kubechain.cli.terminal import Failure

LOOPBACK: Final = "127.0.0.1"

PORTS_FILE: Final = "ports.json"

Listener = Literal["api-server", "model"]


@contextmanager
def kubeconfig_lock(kubeconfig: Path) -> Generator[None]:
    """Keep other `kubechain dev` from this kubeconfig, which they would overwrite and then delete.

    Raises:
        Failure: One uses it.
    """
    path = kubeconfig.with_name(f".{kubeconfig.name}.lock")
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the system releases it, however this process ends
        except BlockingIOError:
            file.seek(0)
            process = f" (process {owner})" if (owner := file.read().strip()) else ""
            raise Failure(
                f'kubeconfig: "{kubeconfig}" belongs to another kubechain dev{process} that is running; '
                "start this one in another folder, or with --kubeconfig FILE"
            ) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def kept_port(folder: Path | None, listener: Listener, given: int) -> int:
    """Return the port to listen at: the given one, else that of the last start in the folder if it is free, else 0.

    Args:
        folder: Of `--data-dir`; None for none.
        listener: Which port.
        given: On the command line; 0 for any.
    """
    if given or folder is None:
        return given
    port = _ports(folder).get(listener, 0)
    return port if port and _is_free(port) else 0


def keep_port(folder: Path | None, listener: Listener, url: str) -> None:
    """Note the port of a URL for the next start in the folder."""
    if folder is None:
        return
    port = int(url.rpartition(":")[2].partition("/")[0])
    (folder / PORTS_FILE).write_text(json.dumps({**_ports(folder), listener: port}) + "\n")


def _ports(folder: Path) -> Mapping[str, int]:
    with suppress(OSError, ValueError):
        found: object = json.loads((folder / PORTS_FILE).read_text())
        if isinstance(found, dict):
            entries = cast("dict[str, object]", found)
            return {name: port for name, port in entries.items() if isinstance(port, int) and 0 < port < 65536}
    return {}


def _is_free(port: int) -> bool:
    with socket.socket() as probe, suppress(OSError):
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((LOOPBACK, port))
        return True
    return False
