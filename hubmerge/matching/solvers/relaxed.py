"""Where models may be rotated and mapped: their weights aligned by all symmetries at once.

Frank-Wolfe from the barycentre, then coordinate ascent. arXiv:2506.22712, section 4.1, has the
objective for transformers, climbed by coordinate ascent from the identity.

The objective is the sum over modules of the cosine between A's parameters and B's moved ones, so
that a module counts for what it says and not for how large its numbers are.
"""

from __future__ import annotations

from torch import Tensor

from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.matching.solvers.frank_wolfe import relax
from hubmerge.matching.solvers.refine import SWEEPS
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State

STEPS = 30
"""Most steps of Frank-Wolfe."""


def relax_symmetry(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    steps: int = STEPS,
    seed: int = 0,
) -> tuple[Symmetry, str]:
    """The symmetry of `other` that makes its parameters most like the anchor's; needs no data.

    anchor, other: in canonical form, if anything is mapped. Pure and deterministic.
    Returns: the symmetry, polished by coordinate ascent, and a sentence on how it ended.
    """
    target = by_module(spec, anchor, other)
    rounded, taken = relax(spec, target, other, steps=steps)
    found, climbed = descend(spec, target, other, start=rounded, seed=seed, sweeps=SWEEPS)
    return found, polished(taken, climbed)


def polished(steps: int, climbed: str) -> str:
    """How it ended, in words."""
    end = climbed if climbed.startswith("converged") else f"{SWEEPS} sweeps"
    return f"{steps} steps of Frank-Wolfe, then {end}"


def by_module(spec: Spec, anchor: State, other: State) -> dict[str, Tensor]:
    """`anchor` with each module's parameters divided by the product of its norms in both models."""
    names = [name for name in spec.tensors if name not in spec.silent]
    power: dict[str, list[float]] = {}
    for name in names:
        sums = power.setdefault(name.rpartition(".")[0], [0.0, 0.0])
        if name not in spec.unsigned:
            for k, state in enumerate((anchor, other)):
                sums[k] += float(state[name].double().square().sum())
    scaled = dict(anchor)
    for name in names:
        ours, theirs = power[name.rpartition(".")[0]]
        scale = (ours * theirs) ** 0.5
        scaled[name] = anchor[name] / scale if scale > 0 else anchor[name]
    return scaled
