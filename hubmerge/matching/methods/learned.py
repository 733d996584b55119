"""Learned matching: the symmetry under which what lies between the models works best."""

from __future__ import annotations

import torch

from hubmerge.matching.learned.parametrization import Parametrization
from hubmerge.matching.learned.registry import learner
from hubmerge.matching.learned.start import Start, begin, name_of
from hubmerge.matching.result import Match, describe_spaces
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State
from hubmerge.training.precision import single
from hubmerge.training.trainer import learn

STEPS = 600
"""Steps of the full course."""


@learner("learned", source="arXiv:2506.22712, section 4.2")
def match_learned(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    context: MethodContext,
    seed: int = 0,
    start: Start = "activations-weights",
    steps: int = STEPS,
) -> Match:
    """Rotations, linear maps and permutations learned on the loss of the midpoint, label-free.

    What lies between the parents (weights of B from .4 to .6) is taught what they say together, the
    mean of their predictions. Only symmetries are learned: at every step both parents compute what
    they always did, and nothing is fine-tuned. Stops when validation rows say so.

    start: the matcher whose symmetry learning begins with. steps: at most.
    Returns: Match, of the best midpoint on validation rows.
    Raises: RecipeError without calibration or validation rows; CanonicalError.
    """
    return _learned("learned", spec, anchor, other, context, seed, start, steps, labelled=False)


@learner("learned-labels", source="arXiv:2506.22712, section 4.2", labelled=True)
def match_learned_on_labels(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    context: MethodContext,
    seed: int = 0,
    start: Start = "activations-weights",
    steps: int = STEPS,
) -> Match:
    """Rotations, linear maps and permutations learned on the loss of the midpoint, with labels.

    As `learned`, but on the cross-entropy of the rows' labels, which parents that know their
    training rows by heart say less about.
    """
    return _learned(
        "learned-labels", spec, anchor, other, context, seed, start, steps, labelled=True
    )


def _learned(
    method: str,
    spec: Spec,
    anchor: State,
    other: State,
    context: MethodContext,
    seed: int,
    start: Start,
    steps: int,
    *,
    labelled: bool,
) -> Match:
    steps = context.steps or steps
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
    spaces = describe_spaces(spec, symmetry, found)
    return Match(method, spec, symmetry.permutation, learnt.outcome, spaces, symmetry.maps)
