"""Bodies of requests, in bounded time and memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from starlette.requests import Request

from hubmerge.localhub import limits
from hubmerge.localhub.refusal import Refusal


async def pieces(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives. Refuses (408) a client that pauses, or sends too slowly."""
    stream = aiter(request.stream())
    begun, size = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(limits.IDLE_SECONDS):
                piece = await anext(stream, None)
        except TimeoutError:
            raise Refusal(408, f"Nothing came for {limits.IDLE_SECONDS:.0f} seconds") from None
        if piece is None:
            return
        size += len(piece)
        late = time.monotonic() - begun - limits.IDLE_SECONDS
        if late * limits.SLOWEST > size:
            raise Refusal(408, f"Slower than {limits.SLOWEST:,.0f} bytes a second")
        yield piece


async def read_body(request: Request) -> bytes:
    """The whole body of at most `limits.BODY` bytes."""
    found, size = [], 0
    async for piece in pieces(request):
        size += len(piece)
        if size > limits.BODY:
            raise Refusal(413, f"The body is longer than {limits.BODY} bytes")
        found.append(piece)
    return b"".join(found)


async def read_lines(request: Request) -> AsyncIterator[bytes]:
    """The lines of the body that are not blank, one in memory at a time, each bounded."""
    rest, count = bytearray(), 0
    async for piece in pieces(request):
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            count += len(lines)
            if count > 2 * limits.OPERATIONS:
                raise Refusal(413, f"More than {2 * limits.OPERATIONS:,} lines")
            for line in lines:
                if line.strip():
                    yield bytes(line)
        if len(rest) > limits.LINE:
            raise Refusal(413, f"A line of the body is longer than {limits.LINE} bytes")
    if rest.strip():
        yield bytes(rest)
