"""ESM: what each task changes in the outputs of its layers, principal directions only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated

import torch
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._spectral import decorrelated, flattened, on_matrices, product, spectrum
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.layerwise.input_products import (
    in_windows,
    input_products,
    layers_of,
)
from hubmerge.fuse.layerwise.layers import Layer
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State

POWER = 2
"""Of relative sizes: of tasks in a matrix, of columns of a matrix, of matrices of one kind."""

SPREAD = 0.15
"""Power of relative eigenvalues, by which directions of a task are weighed (the authors' code)."""

GAIN = 2.0
"""What the merged matrix is multiplied by (the authors' code)."""

TINY = torch.finfo(torch.float64).tiny


@fusion(source="arXiv:2602.20208, section 3", laws=(EXCHANGE, PERMUTATIONS), spectral=True)
def esm(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    base: State,
    scale: Annotated[float, Says("what the merged task vector is multiplied by")] = 1.0,
) -> dict[str, Tensor]:
    """Of n task matrices the 1/n directions each that change the layer's outputs most.

    The directions are the principal components of X D^T, on each parent's own inputs X; 32 rows of
    a task are enough. They are made orthonormal over all tasks with equal strength, and polarised
    three times: large task matrices, large columns and large layers count more. As the authors'
    code does it (github.com/kiddo127/ESM, fc82fe7). Other matrices are merged as by TSV-M, and all
    else is averaged. Raises: RecipeError without calibration batches.
    """
    used = [n for n, weight in enumerate(weights) if weight]
    if not all(len(context.rows_of(n)) for n in used):
        raise RecipeError(
            f"{option('fuse', 'esm')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    with context.workers.single_threaded_ops():
        moves = _polarised(_of_layers(states, weights, used, context, base))

    other = on_matrices(decorrelated, scale)

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        if name in moves:
            return (scale * moves[name]).to(deltas.dtype)
        return other(name, deltas, shares)

    return onto(base, states, weights, combine)


def _of_layers(
    states: Sequence[State],
    weights: Sequence[float],
    used: Sequence[int],
    context: MethodContext,
    base: State,
) -> dict[str, Tensor]:
    """The merged task matrix of every linear layer, as the layer keeps its weight."""
    mean = sum(weights[n] for n in used) / len(used)
    found: dict[str, Tensor] = {}
    layers = [
        same
        for same in layers_of(base, context.rows_of(used[0]), context)
        if base[f"{same[0].name}.weight"].ndim == 2
    ]
    for window in in_windows(layers):
        inputs = [input_products(states[n], window, context.rows_of(n), context) for n in used]
        for k, same in enumerate(window):
            for writer in same:
                name = f"{writer.name}.weight"
                deltas = [
                    weights[n] / mean * _matrix(writer.layer, states[n][name], base[name])
                    for n in used
                ]
                merged = _merged(deltas, [each[k][0] for each in inputs])
                found[name] = writer.layer.weight(merged.unsqueeze(0))
    return found


def _matrix(layer: Layer, weight: Tensor, start: Tensor) -> Tensor:
    """The change of a layer's matrix, float64 [outputs, inputs]."""
    return layer.matrix(weight.double() - start.double())[0]


def _merged(deltas: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
    """Merges task matrices [outputs, inputs], given the mean products of each task's inputs."""
    kept = max(1, len(deltas[0]) // len(deltas))
    sizes = torch.stack([delta.norm() for delta in deltas])
    relative = sizes / sizes.mean().clamp_min(TINY)
    left, right = [], []
    for delta, seen, size in zip(deltas, inputs, relative, strict=True):
        shifts = spectrum(product(product(delta, seen), delta.T)).top(kept)
        spread = (shifts.values / shifts.values.mean().clamp_min(TINY)) ** SPREAD
        spread = spread / spread.mean().clamp_min(TINY)
        left.append(shifts.left * spread)
        right.append(product(shifts.left.T, delta) * spread.unsqueeze(1) * size**POWER)
    columns = torch.cat(right)
    norms = columns.norm(dim=0)
    columns = columns * (norms / norms.mean().clamp_min(TINY)) ** POWER
    return GAIN * product(flattened(torch.cat(left, 1)), flattened(columns))


def _polarised(moves: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Each merged matrix scaled by its size among those of its kind in all layers."""
    sizes: dict[str, list[float]] = defaultdict(list)
    kinds = {name: re.sub(r"\.\d+\.", ".*.", name) for name in moves}
    for name, move in moves.items():
        sizes[kinds[name]].append(float(move.norm()))
    means = {kind: sum(each) / len(each) or 1.0 for kind, each in sizes.items()}
    return {
        name: move * (float(move.norm()) / means[kinds[name]]) ** POWER
        for name, move in moves.items()
    }
