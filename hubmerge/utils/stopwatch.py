"""How long the stages of a run took: for the report's block about the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from hubmerge.utils.events import Stage, emit


class Stopwatch:
    """Wall seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times what happens inside under `name`."""
        emit(Stage(name))
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(time.perf_counter() - start, 2)
