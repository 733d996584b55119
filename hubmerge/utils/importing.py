"""Importing large libraries without what Python does meanwhile in vain."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Inside, which is for imports, no garbage is looked for; nor later among what they made.

    Modules keep nearly all that they make, so that looking through it again and again as it grows
    takes a sixth of the time of importing transformers, and finds nothing.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
