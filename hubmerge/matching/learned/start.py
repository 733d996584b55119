"""Where learning begins: a symmetry found without it, canonical states, and the lessons."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.matching.registry import find_matcher
from hubmerge.matching.similarity.activations import matched_correlations, similarities_of
from hubmerge.matching.similarity.moments import Moments, measure_moments
from hubmerge.matching.solvers.relaxed import relax_symmetry
from hubmerge.models.method_context import MethodContext
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.balance import UNBALANCED, Balance
from hubmerge.symmetry.canonical import canonical_form
from hubmerge.symmetry.element import Symmetry
from hubmerge.symmetry.permutation import State
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.midpoint_loss import ParentModels
from hubmerge.training.work_name import work_name
from hubmerge.utils.input_batches import InputBatch, InputBatches

LOOKED_AT = 10
"""Batches whose activations are correlated: as many as are calibrated on by default."""

Start = Literal["activations", "activations-weights", "weights"]


@dataclass(frozen=True)
class Beginning:
    """Both models in canonical form (as they are, where nothing is mapped), and where to begin."""

    spec: Spec
    first: State
    last: State
    symmetry: Symmetry
    sampler: BatchSampler
    alike: Mapping[str, Tensor]
    balance: Balance

    def correlations(self, symmetry: Symmetry) -> dict[str, tuple[float, float]]:
        """Space -> mean correlation of activations under `symmetry`, and as the space came in."""
        return matched_correlations(self.spec, self.alike, symmetry, self.balance)


def begin(
    spec: Spec,
    anchor: State,
    other: State,
    context: MethodContext,
    start: Start,
    seed: int,
    *,
    labelled: bool,
) -> Beginning:
    """Runs the matcher `start`. Called by all processes alike.

    Raises: RecipeError without calibration or validation rows; CanonicalError.
    """
    workers = context.workers
    parents = None if labelled else ParentModels(context.scratch, (anchor, other), workers)
    sampler = BatchSampler(context, parents, seed)
    a, b = _holding(context.scratch, anchor), _holding(context.scratch, other)
    moments = measure_moments(spec, a, b, Some(context.batches, LOOKED_AT), workers)
    matcher = find_matcher(start)

    first, last, balance = anchor, other, UNBALANCED
    if spec.mapped_spaces():
        forms = (canonical_form(spec, anchor), canonical_form(spec, other))
        first, last = forms[0].state, forms[1].state
        balance = Balance(forms[0].maps, forms[1].maps)

    def search() -> tuple[Symmetry, Mapping[str, Tensor]]:
        with workers.single_threaded_ops():
            alike = similarities_of(spec, moments, anchor, other)
            if start == "weights" and spec.mapped_spaces():
                return relax_symmetry(spec, first, last, seed=seed)[0], alike
            given: Moments | None = moments if matcher.needs_data else None
            return matcher.function(spec, anchor, other, moments=given, seed=seed).symmetry, alike

    symmetry, alike = workers.on_main(search)
    return Beginning(spec, first, last, symmetry, sampler, alike, balance)


@dataclass(frozen=True)
class Some:
    """The first few batches."""

    batches: InputBatches
    most: int

    def __len__(self) -> int:
        return min(self.most, len(self.batches))

    def __getitem__(self, number: int, /) -> InputBatch:
        return self.batches[range(len(self))[number]]


def name_of(
    words: Iterable[str], context: MethodContext, beginning: Beginning, rates: Mapping[str, float]
) -> str:
    """The name of this piece of work: other models, rows, starts, rates or words are another.

    Called by all processes alike.
    """
    start = (beginning.symmetry.permutation, beginning.symmetry.maps)
    return work_name((*words, str(rates)), (beginning.first, beginning.last, *start), context)


def _holding(model: PreTrainedModel, state: State) -> PreTrainedModel:
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder.eval()
