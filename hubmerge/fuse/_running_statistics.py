"""Running statistics among a model's tensors: no weights, so every fusion averages them."""

from __future__ import annotations

STATISTICS = ("running_mean", "running_var")
"""Last parts of the names PyTorch's batch norms give them."""


def is_statistic(name: str) -> bool:
    """Whether the tensor of that name was measured, not trained."""
    return name.rpartition(".")[2] in STATISTICS
