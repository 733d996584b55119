"""Which tensors stand before a layer."""

from __future__ import annotations

from collections.abc import Collection

import pytest
import torch
from torch import Tensor, nn

from hubmerge.fuse.layerwise.depth import begun_before


class Block(nn.Module):
    """A norm, two layers, and a scale of its own that is applied at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.inner, self.outer = nn.LayerNorm(4), nn.Linear(4, 4), nn.Linear(4, 4)
        self.scale = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.outer(self.inner(self.norm(x)).relu())


class Net(nn.Module):
    """Two blocks in an order other than that in which they are declared, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.head, self.second, self.first = nn.Linear(4, 2), Block(), Block()
        self.idle = nn.Linear(4, 4)
        self.begin = nn.Parameter(torch.zeros(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x + self.begin)))


FIRST = {f"first.{part}" for part in ("norm", "inner", "outer")}


@pytest.mark.parametrize(
    ("mixed", "before"),
    [
        (("first.inner", "first.outer", "second.inner"), {"first.norm"}),
        (("second.inner", "second.outer", "head"), {*FIRST, "first", "second.norm", ""}),
        (("second.outer", "head"), {*FIRST, "first", "second.norm", "second.inner", "second", ""}),
    ],
)
def test_modules_that_begin_before_the_first_mixed_layer(
    mixed: Collection[str], before: set[str]
) -> None:
    found = begun_before(mixed, Net(), {"x": torch.zeros(1, 4)})
    assert {name.rpartition(".")[0] for name in found} - {"idle"} == before
