"""Learning a symmetry on the loss of the midpoint, with the rows' labels or without."""

from __future__ import annotations

from typing import TypedDict, Unpack

import torch

from hubmerge.matching.learned.parametrization import Parametrization
from hubmerge.matching.learned.start import Start, begin, name_of
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.training.precision import single
from hubmerge.training.trainer import learn

STEPS = 600
"""Steps of the full course."""


class LearnOptions(TypedDict, total=False):
    """Options of learned matching.

    start: the matcher whose symmetry learning begins with; "activations-weights". steps: at most;
    600.
    """

    start: Start
    steps: int


def learn_symmetry(
    method: str,
    spec: Spec,
    anchor: State,
    other: State,
    context: MethodContext,
    seed: int,
    *,
    labelled: bool,
    **options: Unpack[LearnOptions],
) -> Match:
    """The symmetry whose midpoint is best on validation rows; `method` is what it is called.

    labelled: on the cross-entropy of the rows' labels; else on what both parents predict.
    """
    start = options.get("start", "activations-weights")
    steps = context.steps or options.get("steps", STEPS)
    beginning = begin(spec, anchor, other, context, start, seed, labelled=labelled)
    parametrization = Parametrization(spec, beginning.last, beginning.symmetry, beginning.alike)
    words = (method, str(spec), start, str(steps), str(seed))
    learnt = learn(
        parametrization,
        single(beginning.first),
        beginning.sampler,
        context,
        steps=steps,
        seed=seed,
        name=name_of(words, context, beginning, parametrization.rates()),
    )
    with torch.no_grad():
        symmetry = parametrization.element(learnt.parameters)
    found = beginning.correlations(symmetry)
    spaces = describe_spaces(spec, symmetry, found, beginning.balance)
    return Match(method, spec, symmetry.permutation, learnt.outcome, spaces, symmetry.maps)
