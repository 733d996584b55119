"""How long a derivation may take, and what is said when it takes longer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hubmerge.errors import ResourceError
from hubmerge.errors.wording import option

SECONDS = 120.0
"""Of processor time, unless set otherwise: four times what the slowest known class takes."""

_allowed: ContextVar[float] = ContextVar("seconds a derivation may take", default=SECONDS)
_end: ContextVar[tuple[float, str] | None] = ContextVar("end of a derivation", default=None)


@contextmanager
def deriving_within(seconds: float) -> Iterator[None]:
    """Inside, no derivation takes longer than so many seconds of processor time."""
    token = _allowed.set(seconds)
    try:
        yield
    finally:
        _allowed.reset(token)


@contextmanager
def timed(what: str) -> Iterator[None]:
    """The derivation of the spec of `what`; `refuse_delay` inside ends it when its time is over.

    Raises: ResourceError, also where memory runs out.
    """
    token = _end.set((time.process_time() + _allowed.get(), what))
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "can't allocate memory" not in str(error):
            raise
        raise ResourceError(
            f"there is not enough memory to derive a spec of {what}",
            found=str(error).splitlines()[0][:200] if str(error) else None,
            hint=_hint(),
        ) from error
    finally:
        _end.reset(token)


def refuse_delay() -> None:
    """Raises: ResourceError, if the derivation at work has had its time."""
    end = _end.get()
    if end is not None and time.process_time() > end[0]:
        raise ResourceError(
            f"deriving a spec of {end[1]} takes longer than it may",
            found=f"{_allowed.get():.0f} seconds of processor time are over",
            hint=_hint(),
        )


def _hint() -> str:
    return (
        f"{option('match', 'none')} needs no spec; or derive it where there is more time and "
        "memory, with `hubmerge specs derive`, and name the folder of the file in HUBMERGE_SPECS"
    )
