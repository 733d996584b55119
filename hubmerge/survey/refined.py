"""A joint alignment, refined for the whole simplex.

Models that were matched to a common centre need not fit everywhere between them. So a point is
drawn from the simplex, one model is matched by weights to the others' mixture there, and the change
is kept if the simplex is lower for it: on validation rows, at the middles of its faces.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from hubmerge.landscape.chain import mixed
from hubmerge.landscape.simplex import centroid, drawn, excess, faces
from hubmerge.matching.descent import descend
from hubmerge.measure.curve import CURVE_VALIDATION_ROWS
from hubmerge.measure.evaluate import outputs
from hubmerge.progress import track
from hubmerge.spec.permutation import State, permute
from hubmerge.survey.field import Field

ROUNDS = 2
"""Points drawn per model."""


def refined(field: Field) -> tuple[State, ...]:
    """The states of `field`, all but the first permuted anew where that lowers the simplex."""
    spec = field.matches[0].spec.permutations_only
    states, count = list(field.states), len(field.states)
    points = drawn(count, ROUNDS * (count - 1), field.recipe.seed)
    held = field.ground.validation.first(CURVE_VALIDATION_ROWS)
    finished = field.finisher()
    ends = np.stack([each.first(CURVE_VALIDATION_ROWS).losses() for each in field.held_out])
    middles = np.array([centroid(face, count) for face in faces(count)])

    def height(states: list[State]) -> float:
        losses = [
            outputs(finished(mixed(states, shares)), held, field.workers).losses()
            for shares in middles
        ]
        return float(excess(np.stack(losses), ends, middles).mean(1).max())

    lowest = height(states)
    with track(len(points), "refining", "match") as bar:
        for number, shares in enumerate(points):
            which = 1 + number % (count - 1)
            rest = [0.0 if k == which else share for k, share in enumerate(shares)]
            target = mixed(states, [share / (sum(rest) or 1.0) for share in rest])
            found, _ = field.workers.on_main(partial(descend, spec, target, states[which]))
            tried = [*states]
            tried[which] = permute(spec, states[which], found.permutation)
            if (seen := height(tried)) < lowest:
                states, lowest = tried, seen
            bar.update(1)
    return tuple(states)
