"""Progress bars, and the one switch that silences them.

Everything that takes long goes through `track`, so that the command line, the tests and the
Space decide in one place whether and how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tqdm.auto import tqdm

_quiet = False
_showing = False


def be_quiet(quiet: bool = True) -> None:
    """Show no bars from now on (or show them again)."""
    global _quiet
    _quiet = quiet


def is_quiet() -> bool:
    """Whether bars are off."""
    return _quiet


@contextmanager
def track(total: int, what: str, unit: str = "it") -> Iterator[tqdm]:
    """A bar over `total` steps called `what`; call `.update(1)` on what is yielded.

    Inside another bar nothing is shown: the outermost one speaks for everything it contains.
    """
    global _showing
    hidden = _quiet or _showing
    if not hidden:
        _showing = True
    try:
        with tqdm(total=total, desc=what, unit=unit, disable=hidden, leave=False) as bar:
            yield bar
    finally:
        if not hidden:
            _showing = False
