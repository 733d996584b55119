"""Learned matching on labels: the symmetry whose midpoint has the least labelled loss."""

from __future__ import annotations

from typing import Unpack

from hubmerge.matching.learned.midpoint import LearnOptions, learn_symmetry
from hubmerge.matching.learned.registry import learner
from hubmerge.matching.result import Match
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.permutation import State


@learner(source="arXiv:2506.22712, section 4.2", labelled=True)
def match_learned_on_labels(
    spec: Spec,
    anchor: State,
    other: State,
    *,
    context: MethodContext,
    seed: int = 0,
    **options: Unpack[LearnOptions],
) -> Match:
    """Rotations, linear maps and permutations learned on the loss of the midpoint, with labels.

    As `learned`, but on the cross-entropy of the rows' labels, which parents that know their
    training rows by heart say less about.
    """
    return learn_symmetry(
        "learned-labels", spec, anchor, other, context, seed, labelled=True, **options
    )
