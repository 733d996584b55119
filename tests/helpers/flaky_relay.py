"""A TCP relay in front of the Hub that breaks connections: a bad network, for real."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Relay:
    """Passes bytes both ways; the first `cuts` connections die after `after` bytes downwards.

    What comes after those is lost, so that an answer is cut off in its middle: after a whole one
    it would depend on who is faster whether the next request still goes the way that is cut.
    """

    def __init__(self, port: int, after: int, cuts: int) -> None:
        self._target = port
        self._after = after
        self._cuts = cuts
        self.broken = 0
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                threading.Thread(target=self._up, args=(client, server), daemon=True).start()
                threading.Thread(target=self._down, args=(client, server), daemon=True).start()

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                server.sendall(piece)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                left = self._after - passed
                if left < len(piece) and self._is_one_to_cut():
                    client.sendall(piece[: max(0, left)])
                    break
                client.sendall(piece)
                passed += len(piece)
        for end in (client, server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _is_one_to_cut(self) -> bool:
        with self._lock:
            cut = self.broken < self._cuts
            self.broken += cut
        return cut


@contextmanager
def relay(url: str, after: int, cuts: int) -> Iterator[Relay]:
    """A relay to `url` for the length of a `with` block."""
    made = Relay(int(url.rpartition(":")[2]), after, cuts)
    try:
        yield made
    finally:
        made.close()
