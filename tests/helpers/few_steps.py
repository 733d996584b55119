"""Options with which what learns takes a step or two."""

from __future__ import annotations

from hubmerge.fuse import Fusion

NAMES = ("epochs", "iterations")
"""Of the options that say how long a fusion learns."""


def quickly(fusion: Fusion) -> dict[str, object]:
    """Options of a fusion with which it learns for one step, if it learns."""
    return {name: 1 for name in NAMES if name in fusion.options}
