"""Silencing what the libraries say by themselves."""

from __future__ import annotations

import logging
import warnings

LIBRARIES = ("transformers", "huggingface_hub", "datasets", "accelerate")


def silence_libraries() -> None:
    """From now on their loggers report errors alone, and nothing warns."""
    for name in LIBRARIES:
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
