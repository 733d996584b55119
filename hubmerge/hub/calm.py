"""Loading and saving without what transformers says meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging as transformers_logging


@contextmanager
def calm() -> Iterator[None]:
    """Without transformers' own bars, and its report on keys, which is ours to make."""
    verbosity, bar = transformers_logging.get_verbosity(), transformers_logging
    shown = bar.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    bar.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if shown:
            bar.enable_progress_bar()
