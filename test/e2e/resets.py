"""A TCP proxy before a server, which answers every connection with a reset for as long as a test says.

It works with threads and blocking sockets: a reset must follow the connection within microseconds to meet a client that
is still making its transport.
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Self

_LINGER = struct.pack("ii", 1, 0)
"""With this, closing a socket sends RST instead of FIN."""

_DELAYS_SECONDS = (0.0, 0.0, 0.001, 0.001)
"""The longest pause before a reset, for each thread that accepts connections: a client is met in different moments."""


class ResetProxy:
    """Forwards connections to a port of loopback.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._resets = False
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        for delay in _DELAYS_SECONDS:
            threading.Thread(target=self._accept, args=(delay,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._resets = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptors
        self._listener.close()
        self._reset_all()

    @contextmanager
    def resetting(self) -> Generator[None]:
        """Reset the open connections, and every new one until the end of the block."""
        self._resets = True
        self._reset_all()
        try:
            yield
        finally:
            self._resets = False

    def _accept(self, delay_seconds: float) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._resets:
                time.sleep(random.uniform(0.0, delay_seconds))
                _reset(client)
            else:
                threading.Thread(target=self._forward, args=(client,), daemon=True).start()

    def _forward(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _reset(client)
            return
        self._open.add(client)
        back = threading.Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        _copy(client, server)
        back.join()
        self._open.discard(client)
        server.close()
        client.close()

    def _reset_all(self) -> None:
        for client in tuple(self._open):
            with suppress(OSError):
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
                client.shutdown(socket.SHUT_RD)  # wakes the thread that reads, which closes it


def _reset(client: socket.socket) -> None:
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    client.close()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
