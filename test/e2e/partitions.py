"""A TCP proxy before a server that drops out as a network does: nothing passes, nothing fails, all of it comes later.

Open connections stay open and go silent, new ones get no answer. What was sent meanwhile arrives at the end, as TCP
sends it again: also the request of a client that has long given up.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from typing import Self


class PartitionProxy:
    """Forwards connections to a port of loopback.

    Attributes:
        port: Where it listens.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self._whole = threading.Event()
        self._whole.set()
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._whole.set()
        for each in (self._listener, *tuple(self._open)):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the threads that read, which close them
        self._listener.close()

    @contextmanager
    def cut(self) -> Generator[None]:
        """Let nothing pass until the end of the block."""
        self._whole.clear()
        try:
            yield
        finally:
            self._whole.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._whole.wait()
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as server:
            both = {client, server}
            self._open |= both
            back = threading.Thread(target=self._copy, args=(server, client), daemon=True)
            back.start()
            self._copy(client, server)
            back.join()
            self._open -= both

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._whole.wait()
                sink.sendall(data)
        self._whole.wait()
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)
