"""Connections of the embedded Hub: one whose client stalls is closed, so that it costs nothing.

One whose client sends no HTTP, or headers without an end, is answered first.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from hubmerge.localhub import limits


class PatientProtocol(H11Protocol):
    """HTTP by h11, which bounds the headers; here, the time to send them and to read an answer."""

    _timer: asyncio.TimerHandle | None = None
    _refused = 0
    """Bytes that a client has sent since it was refused."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        if self._refused:
            self._refused += len(data)
            if self._refused > limits.UNREAD:
                self.transport.abort()
            return
        super().data_received(data)
        if self._refused:
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._go_on()
        elif self._timer is None:
            self._wait()

    def send_400_response(self, msg: str) -> None:
        """Refuses what h11 could not read. What the client is still sending is let in and dropped:
        a connection closed over unread bytes is reset, and the answer lost with it."""
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # it has an answer
            return
        status, why = self._refusal()
        headers = [("Content-Type", "text/plain; charset=utf-8"), ("Connection", "close")]
        length = ("Content-Length", str(len(why)))
        answer = h11.Response(status_code=status, headers=[*headers, length], reason=b"")
        for event in (answer, h11.Data(data=why.encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        if self.cycle is not None:  # a request whose body broke off
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._go_on()
        self._refused = 1
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(limits.UNREAD_SECONDS, self.transport.abort)

    def _refusal(self) -> tuple[int, str]:
        """Status and words for the error that is being handled."""
        error = sys.exception()
        if getattr(error, "error_status_hint", 400) != 431:
            return 400, "This is not HTTP"
        if b"\n" in self.conn.trailing_data[0]:
            return 431, "The headers are too long"
        return 414, "The address is too long"

    def pause_writing(self) -> None:
        """The client does not read its answer."""
        super().pause_writing()
        self._wait()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._go_on()

    def connection_lost(self, exc: Exception | None) -> None:
        self._go_on()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._go_on()
        self._timer = self.loop.call_later(limits.IDLE_SECONDS, self.transport.abort)

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
