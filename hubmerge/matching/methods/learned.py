"""Learned matching: the symmetry under which what lies between the models works best."""

from __future__ import annotations

from typing import Unpack

from hubmerge.matching.learned.midpoint import LearnOptions, learn_symmetry
from hubmerge.matching.learned.registry import learner
from hubmerge.matching.result import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State


@learner(source="arXiv:2506.22712, section 4.2")
def match_learned(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    context: MethodContext,
    seed: int = 0,
    **options: Unpack[LearnOptions],
) -> Match:
    """Rotations, linear maps and permutations learned on the loss of the midpoint, label-free.

    What lies between the parents (weights of B from .4 to .6) is taught what they say together, the
    mean of their predictions. Only symmetries are learned: at every step both parents compute what
    they always did, and nothing is fine-tuned. Stops when validation rows say so.

    start: the matcher whose symmetry learning begins with. steps: at most.
    Returns: Match, of the best midpoint on validation rows.
    Raises: RecipeError without calibration or validation rows; CanonicalError.
    """
    return learn_symmetry("learned", spec, anchor, other, context, seed, labelled=False, **options)
