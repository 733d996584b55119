"""Corrections: what may be done to the merged task vector after any fusion that takes a base.

Each is one file in `corrections/`, or a plugin's, that registers one function with one option of
its own name, which says how strongly it corrects; 0 leaves everything as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from hubmerge.fuse._running_statistics import is_statistic
from hubmerge.fuse.options import FusionOption, options_of
from hubmerge.fuse.varying import Depths, place
from hubmerge.registry import registry
from hubmerge.symmetry.permutation import State


@dataclass(frozen=True)
class Corrected:
    """A tensor as the fusion changed it.

    change: the merged task vector [...]. deltas: those of the models that count, [models, ...].
    place: where its layer is, from 0 for the first one to 1 for the last; 0 outside layers.
    """

    name: str
    change: Tensor
    deltas: Tensor
    place: float


@dataclass(frozen=True)
class Correction:
    """A registered correction.

    option: how strongly it corrects, under the correction's name. spectral: it decomposes matrices,
    in float64.
    """

    name: str
    function: Callable[..., Tensor]
    source: str
    option: FusionOption
    spectral: bool

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]


F = TypeVar("F", bound=Callable[..., Tensor])


def correction(name: str | None = None, *, source: str, spectral: bool = False) -> Callable[[F], F]:
    """Registers the decorated function under its file's name.

    source: where it is described. spectral: whether it decomposes matrices.
    """

    def register(function: F) -> F:
        def make(called: str) -> Correction:
            return Correction(called, function, source, options_of(function)[called], spectral)

        registry("corrections").add(function, make, name)
        return function

    return register


def corrections() -> dict[str, Correction]:
    """Every registered correction by name, in the order in which they are carried out."""
    return registry("corrections").all()


def corrected(
    state: Mapping[str, Tensor],
    states: Sequence[State],
    weights: Sequence[float],
    base: State,
    strengths: Mapping[str, Any],
    depths: Depths,
) -> dict[str, Tensor]:
    """`state` with what it adds to the base corrected, wherever something was trained.

    strengths: by name of a correction.
    """
    asked = [each for name, each in corrections().items() if strengths.get(name)]
    counted = [each for each, weight in zip(states, weights, strict=True) if weight]
    found = dict(state)
    for name, value in state.items() if asked else ():
        if not value.is_floating_point() or is_statistic(name) or name not in base:
            continue
        exact = torch.promote_types(value.dtype, torch.float32)
        start = base[name].to(exact)
        deltas = torch.stack([each[name].to(exact) - start for each in counted])
        change = value.to(exact) - start
        for each in asked:
            merged = Corrected(name, change, deltas, place(name, depths))
            change = each.function(merged, **{each.name: strengths[each.name]})
        found[name] = (start + change).to(value.dtype)
    return found
