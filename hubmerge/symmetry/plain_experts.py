"""Experts computed one by one: torch multiplies those of a layer at once in float32 alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

ONE_BY_ONE = "eager"
"""What transformers calls experts that are computed by plain products."""


@contextmanager
def plain_experts(model: nn.Module) -> Iterator[None]:
    """Inside, experts of `model` are computed one by one, in any precision."""
    choose = getattr(model, "set_experts_implementation", None)
    chosen = getattr(getattr(model, "config", None), "_experts_implementation", None)
    if choose is None or chosen in (None, ONE_BY_ONE):
        yield
        return
    choose(ONE_BY_ONE)
    try:
        yield
    finally:
        choose(chosen)
