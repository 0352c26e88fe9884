"""A TCP proxy before a server, which answers every connection with a reset for as long as a test says.

It works with threads and blocking sockets: a reset must follow the connection within microseconds to meet a client that
is still making its transport. Each connection has one thread, which alone closes it: a socket that one thread closes
while another one reads from it stays open until that read returns.
"""

from __future__ import annotations

import random
import selectors
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
        self._lock = threading.Lock()
        """Held where a connection is added or all are reset: none is added unseen."""
        self._open: set[_Connection] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        for delay in _DELAYS_SECONDS:
            threading.Thread(target=self._accept, args=(delay,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._reset_all()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the acceptors
        self._listener.close()

    @contextmanager
    def resetting(self) -> Generator[None]:
        """Reset the open connections, and every new one until the end of the block."""
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
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _reset(client)
            return
        connection = _Connection(client, server)
        with self._lock:
            if self._resets:
                connection.reset()
            self._open.add(connection)
        connection.forward()
        with self._lock:
            self._open.discard(connection)

    def _reset_all(self) -> None:
        with self._lock:
            self._resets = True
            for connection in self._open:
                connection.reset()


class _Connection:
    """A client's connection and the one to the server, joined."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self._client, self._server = client, server
        self._alarm, self._alarmed = socket.socketpair()

    def reset(self) -> None:
        """Have the thread that forwards reset the client's connection."""
        self._alarm.close()
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)  # wakes it where the server does not read

    def forward(self) -> None:
        """Forward both ways until both sides have ended, or the reset."""
        with self._alarm, self._alarmed, self._server, selectors.DefaultSelector() as ready:
            ready.register(self._alarmed, selectors.EVENT_READ)
            ready.register(self._client, selectors.EVENT_READ, self._server)
            ready.register(self._server, selectors.EVENT_READ, self._client)
            with suppress(OSError):
                if self._forwarded(ready):
                    self._client.close()
                    return
            _reset(self._client)

    def _forwarded(self, ready: selectors.BaseSelector) -> bool:
        """Return True when both sides have ended, and False at the reset."""
        while len(ready.get_map()) > 1:
            found = [(key.fileobj, key.data) for key, _ in ready.select()]
            if any(sink is None for _, sink in found):
                return False
            for source, sink in found:
                assert isinstance(source, socket.socket)
                if data := source.recv(65536):
                    sink.sendall(data)
                else:
                    ready.unregister(source)
                    sink.shutdown(socket.SHUT_WR)
        return True


def _reset(client: socket.socket) -> None:
    with suppress(OSError):
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    client.close()
