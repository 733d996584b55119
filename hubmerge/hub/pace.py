"""How long the Hub is waited for: what is fetched is bounded in time, as it is in size.

The Hub's client gives up a file of which nothing comes for ten seconds. But it waits for good for
an answer that never begins, and for one of which a byte comes now and then.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from huggingface_hub import constants
from huggingface_hub.utils import get_session

from hubmerge.errors import HubUnavailableError
from hubmerge.errors.wording import action
from hubmerge.utils import limits

LIVE = "/api/jobs/"
"""What addresses begin with that are listened to for as long as a job runs."""


@contextmanager
def without_xet() -> Iterator[None]:
    """Inside, files come over HTTP alone; the pace of the client's other way cannot be watched."""
    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


def watch_pace() -> None:
    """From now on the client's answers are bounded in time, once for each of its sessions."""
    session: Any = get_session()
    hooks = session.event_hooks
    if _bound not in hooks["response"]:
        session.event_hooks = {
            "request": [*hooks["request"], _limit_wait],
            "response": [*hooks["response"], _bound],
        }


def _limit_wait(request: Any) -> None:
    """Gives a request that would wait for good a limit."""
    asks = request.method in ("GET", "HEAD")
    most = limits.ANSWER_PATIENCE if asks else limits.COMMIT_PATIENCE
    given = request.extensions.get("timeout") or {}
    kinds = ("connect", "read", "write", "pool")
    waits = {kind: given.get(kind) for kind in kinds}
    request.extensions = {
        **request.extensions,
        "timeout": {kind: most if wait is None else wait for kind, wait in waits.items()},
    }


def _bound(response: Any) -> None:
    """Bounds the body of an answer whose head has come; lines of a job come when it says any."""
    if response.request.url.path.startswith(LIVE):
        return
    inner = response.stream
    kind: Any = type(inner)
    length = response.headers.get("content-length", "")
    whole = int(length) if length.isdigit() else None
    name = response.request.url.path.rpartition("/")[2]
    response.stream = _stream_class(kind)(inner, name, whole)


@cache
def _stream_class(kind: Any) -> Callable[[Any, str, int | None], Any]:
    """The client asks that a body is of its own kind."""
    base: Any = next(each for each in kind.__mro__ if each.__name__ == "SyncByteStream")

    class Paced(base):  # type: ignore[misc]
        def __init__(self, inner: Any, name: str, whole: int | None) -> None:
            self._inner, self._name, self._whole = inner, name, whole

        def __iter__(self) -> Iterator[bytes]:
            return in_pace(self._inner, self._name, self._whole)

        def close(self) -> None:
            self._inner.close()

    return Paced


def in_pace(
    pieces: Iterator[bytes],
    name: str,
    whole: int | None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[bytes]:
    """`pieces`, as long as they come fast enough.

    Parameters:
        name: of what is fetched.
        whole: bytes that will come, if that is known.
        clock: seconds.

    Raises: HubUnavailableError.
    """
    start, arrived = clock(), 0
    for piece in pieces:
        arrived += len(piece)
        seconds = clock() - start
        if seconds > limits.FETCH_PATIENCE + arrived / limits.FETCH_PACE:
            remain = "an unknown rest" if whole is None else f"{max(whole - arrived, 0):,} bytes"
            raise HubUnavailableError(
                f"{name} comes too slowly from the Hub",
                found=f"{arrived:,} bytes in {seconds:.0f} s; {remain} remain",
                hint=f"{action('ask again')}: finished files are kept",
            )
        yield piece
