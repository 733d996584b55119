"""RegMean++: RegMean on what the merged model's earlier layers make of each parent's rows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, PERMUTATIONS
from hubmerge.fuse.layerwise.input_products import (
    Same,
    in_windows,
    input_products,
    layers_of,
    regressed,
)
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State

BLOCK = re.compile(r".*?\.\d+\.")
"""The beginning of a name up to the first number in it: a layer of a transformer."""

RIDGE = 1e-9
"""Keeps inputs that are always 0 solvable."""


@fusion(
    source="arXiv:2508.03121, section 4",
    laws=(IDENTITY, EXCHANGE, ENDS, PERMUTATIONS),
)
def regmean_pp(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    shrink: Annotated[
        float, Says("what products of different inputs are multiplied by", 0, 1)
    ] = 0.95,
) -> dict[str, Tensor]:
    """RegMean, block after block, on inputs that come through the merged blocks before.

    In a block every parent's own layers run, on its own rows as the merged model's finished blocks
    pass them on; its linear layers and convolutions are then regressed as in RegMean. Biases, norms
    and all else are averaged. A layer that reads the same rows in every parent, as outside blocks
    where all parents have the same rows, is averaged by that. Raises: RecipeError without
    calibration batches.
    """
    merged = weighted_mean(states, weights)
    used = [n for n, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return merged
    if not all(len(context.rows_of(n)) for n in used):
        raise RecipeError(
            f"{option('fuse', 'regmean-pp')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    rows = context.rows_of(used[0])
    shares = [weights[n] for n in used]
    with context.workers.single_threaded_ops():
        for block, layers in _blocks(layers_of(merged, rows, context)).items():
            mixed = [_with_block(merged, states[n], block) for n in used]
            for window in in_windows(layers):
                found = [
                    input_products(state, window, context.rows_of(n), context)
                    for n, state in zip(used, mixed, strict=True)
                ]
                for k, same in enumerate(window):
                    products = [_shrunk(each[k], shrink) for each in found]
                    for writer in same:
                        name = f"{writer.name}.weight"
                        own = [states[n][name] for n in used]
                        start = merged[name]
                        merged[name] = regressed(writer, start, own, shares, products, RIDGE)
    return merged


def _blocks(layers: Sequence[Same]) -> dict[str, list[Same]]:
    """Layers by what the names of their block begin with; one outside blocks stands alone."""
    found: dict[str, list[Same]] = {}
    for same in layers:
        inside = BLOCK.match(same[0].name)
        found.setdefault(inside[0] if inside else f"{same[0].name}.", []).append(same)
    return found


def _with_block(merged: State, own: State, block: str) -> dict[str, Tensor]:
    """The merged model with one block of a parent."""
    return {name: own[name] if name.startswith(block) else value for name, value in merged.items()}


def _shrunk(products: Tensor, factor: float) -> Tensor:
    """`products` with all but the diagonal multiplied by a number below 1."""
    diagonal = torch.diag_embed(products.diagonal(dim1=-2, dim2=-1))
    return factor * products + (1 - factor) * diagonal
