"""RAM+, tensor by tensor: RAM with more of what one model alone has changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from torch import Tensor

from hubmerge.fuse._overlap import joined
from hubmerge.fuse._task_vectors import onto
from hubmerge.fuse.laws import EXCHANGE, PERMUTATIONS
from hubmerge.fuse.options import Says
from hubmerge.fuse.registry import fusion
from hubmerge.symmetry.permutation import State


@fusion(
    source="arXiv:2601.13572 (RAM+), its overlap taken within each tensor",
    laws=(EXCHANGE, PERMUTATIONS),
    weighs=False,
    tensorwise=True,
)
def ramplus_tl(
    states: Sequence[State],
    weights: Sequence[float],
    *,
    base: State,
    r: Annotated[float, Says("what the overlap is multiplied by", 0)] = 0.1,
    alpha: Annotated[float, Says("overlap that counts at most", 0)] = 0.2,
    epsilon: Annotated[float, Says("size up to which a difference is no change", 0)] = 1e-5,
) -> dict[str, Tensor]:
    """RAM in which a single model's changes are enlarged by how much of the model is shared.

    They are multiplied by 1 + r min(rho, alpha); rho is how many of the model's changes in the
    tensor are shared for each that is not.
    """

    def combine(name: str, deltas: Tensor, shares: Tensor) -> Tensor:
        return joined(deltas, epsilon, (r, alpha))

    return onto(base, states, [1 / len(states)] * len(states), combine)
