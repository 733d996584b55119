"""Trying out what strangers may send: every example in bounded time and memory, errors in words."""

from __future__ import annotations

import os
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hubmerge.errors import HubmergeError

FEW, MANY = 3, 200
SECONDS = 20.0
"""Processor time of one example."""
BYTES = 1_500_000_000
"""Memory that one example may add to the process."""

AMOUNTS = pytest.mark.parametrize(
    "amount",
    [pytest.param(FEW, id="few"), pytest.param(MANY, id="many", marks=pytest.mark.slow)],
)
"""How many examples a test tries: always the same few, or many in the slow set."""
MANY_ONLY = pytest.mark.parametrize("amount", [pytest.param(MANY, marks=pytest.mark.slow)])
"""The same for tests whose examples take long."""

STRANGE = [
    "",
    "\ud800",
    "\x00",
    "\x1b[2J\x1b]0;x\x07",
    "\u202e\u2066",
    "../../etc/passwd",
    "/etc/passwd",
    "/dev/zero",
    "a" * 300,
    "a/b@" + "c" * 300,
    "https://evil.example/a/b",
    "\x02[\x03",
    "9" * 5000,
    "{}",
    "%s{0}$x",
    "NaN",
]
texts = st.sampled_from(STRANGE) | st.text(max_size=30)
numbers = (
    st.sampled_from([0, -1, 1, 2, 10**9, 2**31, 2**63, -(2**63), 10**30, 10**400])
    | st.integers(-100, 100)
    | st.sampled_from([0.0, -0.5, 1e-300, 1e300, float("inf"), float("-inf"), float("nan")])
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
"""What JSON or YAML may hold where something else is expected."""


class TooSlowError(BaseException):
    """An example took longer than `SECONDS`; no handler of `Exception` keeps it."""


def try_out(check: Callable[[Any], object], strategy: st.SearchStrategy[Any], amount: int) -> None:
    """Call `check` with examples: nothing but hubmerge's errors, bounded, leaving no files."""

    def bounded_check(example: Any) -> None:
        with bounded(), leaving_nothing():
            try:
                check(example)
            except HubmergeError as refused:
                str(refused).encode(errors="strict")

    settings(
        max_examples=amount,
        derandomize=amount == FEW,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )(given(strategy)(bounded_check))()


@contextmanager
def bounded() -> Iterator[None]:
    """Raises TooSlowError in the block; fails if it took too much memory."""

    def late(*_: object) -> None:
        raise TooSlowError(f"more than {SECONDS:.0f} seconds of processor time")

    before, handler = _peak(), signal.signal(signal.SIGPROF, late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, handler)
    assert _peak() - before < BYTES, f"{_peak() - before:,} bytes"


@contextmanager
def leaving_nothing() -> Iterator[None]:
    """Work in empty folders (current and temporary); fails unless they are empty afterwards."""
    here, before = Path.cwd(), tempfile.tempdir
    with tempfile.TemporaryDirectory() as place:
        work, scratch = Path(place) / "work", Path(place) / "scratch"
        work.mkdir()
        scratch.mkdir()
        os.chdir(work)
        tempfile.tempdir = str(scratch)
        try:
            yield
        finally:
            os.chdir(here)
            tempfile.tempdir = before
        left = [path.name for path in Path(place).rglob("*") if path not in (work, scratch)]
        assert not left, left


def changed(given_: dict[str, Any], more: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """`given_` with one to three fields replaced, added (some of `more`) or taken away."""
    names = st.sampled_from([*given_, *more]) | texts
    gone = object()

    def apply(changes: dict[str, Any]) -> dict[str, Any]:
        merged = {**given_, **changes}
        return {name: value for name, value in merged.items() if value is not gone}

    one = st.dictionaries(names, values | st.just(gone), min_size=1, max_size=3)
    return one.map(apply)


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
