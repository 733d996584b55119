"""RegMean: every layer is the regression to what each parent's layer makes of its own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse._mean import weighted_mean
from hubmerge.fuse.laws import ENDS, EXCHANGE, IDENTITY, PERMUTATIONS, ROTATIONS
from hubmerge.fuse.layerwise.input_products import (
    in_windows,
    input_products,
    layers_of,
    regressed,
)
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2212.09849, section 3.2",
    laws=(IDENTITY, EXCHANGE, ENDS, PERMUTATIONS, ROTATIONS),
)
def regmean(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    context: MethodContext,
    ridge: Annotated[
        float, Says("pull towards the average, by the inputs' mean square", 1e-9)
    ] = 0.1,
) -> dict[str, Tensor]:
    """Linear and convolution layers in closed form, on each parent's own inputs, without labels.

    Layer by layer the W for which sum_i w_i |X_i W - X_i W_i|^2 + ridge |W - average|^2 is least.
    Biases, norms and all else are averaged. Raises: RecipeError without calibration batches.
    """
    merged = weighted_mean(states, weights)
    used = [n for n, weight in enumerate(weights) if weight]
    if len(used) == 1:
        return merged
    if not all(len(context.rows_of(n)) for n in used):
        raise RecipeError(
            f"{option('fuse', 'regmean')} needs calibration rows",
            found="none are left for it",
            field="fuse",
        )
    rows = context.rows_of(used[0])
    with context.workers.single_threaded_ops():
        for window in in_windows(layers_of(merged, rows, context)):
            found = [input_products(states[n], window, context.rows_of(n), context) for n in used]
            for k, same in enumerate(window):
                products = [each[k] for each in found]
                for writer in same:
                    name = f"{writer.name}.weight"
                    own = [states[n][name] for n in used]
                    shares = [weights[n] for n in used]
                    merged[name] = regressed(writer, merged[name], own, shares, products, ridge)
    return merged
