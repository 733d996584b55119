"""A joint alignment, refined for the whole simplex.

Models that were matched to a common centre need not fit everywhere between them. So a point is
drawn from the simplex, one model is matched by weights to the others' mixture there, and the change
is kept if the simplex is lower for it: on validation rows, at the middles of its faces.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial

import numpy as np

from hubmerge.evaluation.curve import CURVE_VALIDATION_ROWS
from hubmerge.evaluation.evaluate import outputs
from hubmerge.landscape.geometry.chain import mixed
from hubmerge.landscape.geometry.simplex import centroid, drawn, excess, faces
from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.matching.aligned import aligned
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.models.states import in_dtypes_of
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.element import Symmetry, compose
from hubmerge.symmetry.permutation import State
from hubmerge.utils.progress import track

ROUNDS = 2
"""Points drawn per model."""


def refined(inputs: SurveyInputs) -> SurveyInputs:
    """`inputs` with all models but the first permuted anew where that lowers the simplex."""
    mapped = {space for match in inputs.matches for space in match.spec.mapped_spaces()}
    spec = _without(inputs.matches[0].spec, mapped)
    states, matches, count = list(inputs.states), list(inputs.matches), len(inputs.states)
    points = drawn(count, ROUNDS * (count - 1), inputs.recipe.seed)
    held = inputs.splits.validation.first(CURVE_VALIDATION_ROWS)
    model_of = inputs.model_maker()
    ends = np.stack([each.first(CURVE_VALIDATION_ROWS).losses() for each in inputs.validation_ends])
    middles = np.array([centroid(face, count) for face in faces(count)])

    def height(states: list[State]) -> float:
        losses = [
            outputs(model_of(mixed(states, shares)), held, inputs.workers).losses()
            for shares in middles
        ]
        return float(excess(np.stack(losses), ends, middles).mean(1).max())

    lowest = height(states)
    with track(len(points), "refining", "match") as bar:
        for number, shares in enumerate(points):
            which = 1 + number % (count - 1)
            rest = [0.0 if k == which else share for k, share in enumerate(shares)]
            target = mixed(states, [share / (sum(rest) or 1.0) for share in rest])
            then, _ = inputs.workers.on_main(partial(descend, spec, target, states[which]))
            before = matches[which - 1]
            both = compose(before.spec, before.symmetry, Symmetry(then.permutation))
            anew = [*matches]
            anew[which - 1] = replace(before, permutation=both.permutation, maps=both.maps)
            # Units of other places have other sizes: what is moved is carried there once more.
            tried: list[State] = [
                in_dtypes_of(each.state, state)
                for each, state in zip(aligned(inputs.naive, anew), inputs.naive, strict=True)
            ]
            if (seen := height(tried)) < lowest:
                states, matches, lowest = tried, anew, seen
            bar.update(1)
    return replace(inputs, states=tuple(states), matches=tuple(matches))


def _without(spec: Spec, mapped: Collection[str]) -> Spec:
    """Permutations alone, and none of spaces that were mapped: a map does not know their order."""
    plain = spec.permutations_only
    spaces = {
        name: replace(space, fixed=True) if name in mapped else space
        for name, space in plain.spaces.items()
    }
    return replace(plain, spaces=spaces)
