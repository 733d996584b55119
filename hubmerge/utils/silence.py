"""Silencing what the libraries say by themselves, and making safe to print what is left."""

from __future__ import annotations

import logging
import warnings

from hubmerge.errors.printable import printable

LIBRARIES = ("transformers", "huggingface_hub", "datasets", "accelerate")


def _printable(record: logging.LogRecord) -> bool:
    """Rewrites what a record says; libraries quote names that others chose."""
    record.msg, record.args = printable(record.getMessage()), ()
    return True


def silence_libraries() -> None:
    """From now on their loggers report errors alone, and nothing warns."""
    for name in LIBRARIES:
        logger = logging.getLogger(name)
        logger.setLevel(logging.ERROR)
        for handler in logger.handlers:
            handler.addFilter(_printable)
    warnings.filterwarnings("ignore")
