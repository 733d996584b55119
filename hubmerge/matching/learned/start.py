"""Where learning begins: a symmetry found without it, canonical states, and the lessons."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import torch
from torch import Tensor
from transformers import PreTrainedModel

import hubmerge
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
from hubmerge.utils.checkpoint_store import fingerprint
from hubmerge.utils.input_batches import InputBatch, InputBatches
from hubmerge.utils.progress import track

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
    alike: dict[str, Tensor]
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
    parents = None if labelled else ParentModels(context.scratch, anchor, other, workers)
    sampler = BatchSampler(context, parents, seed)
    a, b = _holding(context.scratch, anchor), _holding(context.scratch, other)
    moments = measure_moments(spec, a, b, Some(context.batches, LOOKED_AT), workers)
    matcher = find_matcher(start)

    first, last, balance = anchor, other, UNBALANCED
    if spec.mapped_spaces():
        forms = (canonical_form(spec, anchor), canonical_form(spec, other))
        first, last = forms[0].state, forms[1].state
        balance = Balance(forms[0].maps, forms[1].maps)

    def search() -> tuple[Symmetry, dict[str, Tensor]]:
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

    Every row is read for it, which learning will do anyway. Empty without a checkpoint store to
    find it in. Called by all processes alike.
    """
    if context.checkpoints is None:
        return ""
    counts = (str(len(context.batches)), str(len(context.validation)))
    versions = (hubmerge.__version__, torch.__version__)
    start = (beginning.symmetry.permutation, beginning.symmetry.maps)

    def name() -> str:
        rows = chain(_tensors(context.batches), _tensors(context.validation))
        states = chain((beginning.first, beginning.last, *start), rows)
        return fingerprint((*words, *counts, *versions, str(rates)), states)

    return context.workers.on_main(name)


def _tensors(batches: InputBatches) -> Iterator[dict[str, Tensor]]:
    """Everything that is learned from, batch by batch."""
    with track(len(batches), "reading rows", "batch") as bar:
        for number in range(len(batches)):
            batch = batches[number]
            labels = getattr(batch, "labels", None)
            yield {**batch.inputs, **({} if labels is None else {"labels": labels})}
            bar.update(1)


def _holding(model: PreTrainedModel, state: State) -> PreTrainedModel:
    holder = copy.deepcopy(model)
    holder.load_state_dict(dict(state))
    return holder.eval()
