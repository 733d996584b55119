"""Progress bars, and the one switch that silences them.

Everything that takes long goes through `track`, so that the command line, the tests and the
Space decide in one place whether and how it is shown. What is tracked is also emitted to a
listens (`hubmerge.events`), shown or not.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

from hubmerge.errors.printable import printable
from hubmerge.utils.events import Progress, emit

_quiet = False
_showing = False
_depth = 0


def be_quiet(quiet: bool = True) -> None:
    """Show no bars from now on (or show them again)."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether bars are off."""
    return _quiet


class Bar:
    """One thing being worked through; `update` may be called from any thread."""

    def __init__(self, shown: tqdm, total: int, what: str, unit: str, depth: int) -> None:
        self._shown, self._total, self._what = shown, total, what
        self._unit, self._depth = unit, depth
        self._done = 0
        self._lock = threading.Lock()

    def update(self, steps: int) -> None:
        """So many more steps are done."""
        with self._lock:
            self._done += steps
            self._shown.update(steps)
            self.emit_progress()

    def note(self, text: str) -> None:
        """Show `text` behind the bar."""
        self._shown.set_postfix_str(printable(text))

    def emit_progress(self) -> None:
        """Say how far it is."""
        emit(Progress(self._what, self._done, self._total, self._unit, self._depth))


@contextmanager
def track(total: int, what: str, unit: str = "it") -> Iterator[Bar]:
    """A bar over `total` steps called `what`; call `.update(1)` on what is yielded.

    Inside another bar nothing is shown: the outermost one speaks for everything it contains.
    """
    global _showing, _depth
    hidden, name = _quiet or _showing, printable(what)
    if not hidden:
        _showing = True
    depth, _depth = _depth, _depth + 1
    try:
        with tqdm(total=total, desc=name, unit=unit, disable=hidden, leave=False) as shown:
            bar = Bar(shown, total, what, unit, depth)
            bar.emit_progress()
            yield bar
    finally:
        _depth = depth
        if not hidden:
            _showing = False
