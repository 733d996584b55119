"""A TCP relay in front of the Hub that holds its breath: a moment in which to kill a process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

Direction = Literal["up", "down"]


class Gate:
    """Passes bytes both ways, until `after` of them went one way; then nothing moves any more."""

    def __init__(self, url: str, way: Direction, after: int) -> None:
        self.closed = threading.Event()
        self._target = int(url.rpartition(":")[2])
        self._way, self._left = way, after
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._is_cut = False
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Breaks all connections and takes no new ones."""
        with self._lock:
            self._is_cut = True
            ends = (self._listener, *self._ends)
        _break(*ends)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                with self._lock:
                    self._ends += [client, server]
                    too_late = self._is_cut
                if too_late:
                    return _break(client, server)
                for way, source, sink in (("up", client, server), ("down", server, client)):
                    threading.Thread(
                        target=self._pass, args=(way, source, sink), daemon=True
                    ).start()

    def _pass(self, way: Direction, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(4096):
                with self._lock:
                    self._left -= len(piece) if way == self._way else 0
                    if self._left < 0:
                        self.closed.set()
                if self.closed.is_set():
                    return
                sink.sendall(piece)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


def _break(*ends: socket.socket) -> None:
    for end in ends:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def gate(url: str, way: Direction, after: int) -> Iterator[Gate]:
    """A gate before `url` for the length of a `with` block."""
    made = Gate(url, way, after)
    try:
        yield made
    finally:
        made.cut()
