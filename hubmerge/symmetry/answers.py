"""What a model answers: that part of its forward's output which a symmetry must leave alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

BESIDE = ("hidden_state", "attentions", "past_key_values", "_output", "loss", "cache", "mems")
"""Parts of names of what a model with answers of its own returns beside them."""


def floating(answer: Any) -> Iterator[Tensor]:
    """Every floating tensor of a model's output, in its order; caches are no answer."""
    if isinstance(answer, Tensor):
        if answer.is_floating_point():
            yield answer
    elif isinstance(answer, Mapping):
        for each in answer.values():
            yield from floating(each)
    elif isinstance(answer, tuple | list):
        for each in answer:
            yield from floating(each)


def answers(output: Any) -> list[Tensor]:
    """The logits, boxes and embeddings of an output; all of it, if it names none of these.

    The states inside, which some models return beside their answer, may be reordered.
    """
    if isinstance(output, Mapping):
        named = {
            name: value
            for name, value in output.items()
            if not any(part in name for part in BESIDE) and list(floating(value))
        }
        said = any("logits" in n or "embeds" in n or n.startswith("pred") for n in named)
        if said:
            return list(floating(named))
    elif isinstance(logits := getattr(output, "logits", None), Tensor):
        return [logits]
    return list(floating(output))
