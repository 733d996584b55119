"""Lifting parents to a head that takes all of them in, and filling what they do not know.

A softmax leaves one vector open, which may be added to all rows of a head: it is taken away, so
that heads trained apart can stand side by side. Before matching, a row that a parent does not have
is 0 and says nothing about which unit is which. Once all parents stand in A's coordinates it
becomes the mean of the rows of those who have it. So every weighted mean is there the mean of those
who know the label, and their very row where one alone does; and what a common base does not know
adds nothing to a task vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.errors import LabelError
from hubmerge.fuse._mean import weighted_mean
from hubmerge.models.joint_head import with_labels
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import State

LABELS = "label"
"""Name of the fixed space that runs over classes, in every spec of a classifier."""

Rows = Sequence[int | None]
"""Output of the common head -> a model's own output; None where it has none."""


def head_axes(spec: Spec) -> dict[str, int]:
    """Tensor of the head -> its axis that runs over classes.

    Raises: LabelError, if the spec does not say which that is.
    """
    if LABELS not in spec.spaces:
        raise LabelError(
            "heads cannot be brought together where no space says which tensors they are",
            found=f"the {spec.family} spec names no space {LABELS!r}",
            source=spec.source,
        )
    return {
        name: [axis.name for axis in spec.tensors[name].axes].index(LABELS)
        for name in spec.touched_by[LABELS]
    }


def head_module(spec: Spec) -> str:
    """Name of the layer whose outputs are the classes. Raises: LabelError."""
    return next(iter(head_axes(spec))).rpartition(".")[0]


def lift_head(model: PreTrainedModel, names: Sequence[str], rows: Rows) -> PreTrainedModel:
    """`model` with outputs of these names, output i its own `rows[i]` or 0.

    Its own outputs are as they were, but for one number added to all of them in a row. All but the
    head is shared with `model`. Raises: FamilyError, SpecError, LabelError.
    """
    state = dict(model.state_dict())
    for name, axis in head_axes(spec_of(model)).items():
        # What all rows have in common no softmax shows; beside other rows it would be noise.
        state[name] = state[name] - state[name].mean(axis, keepdim=True)
        picked = torch.tensor([-1 if row is None else row for row in rows])
        # One row of zeros behind the others, for outputs the model does not have.
        blank = torch.zeros_like(state[name].narrow(axis, 0, 1))
        state[name] = torch.cat([state[name], blank], axis).index_select(
            axis, picked.where(picked >= 0, state[name].shape[axis])
        )
    with torch.random.fork_rng(devices=[]):
        holder = type(model)(with_labels(model.config, names))
    holder.load_state_dict(state, assign=True)
    return holder.eval()


def fill_rows(
    spec: Spec, states: Sequence[State], rows: Sequence[Rows], weights: Sequence[float]
) -> list[State]:
    """Aligned states of lifted models, the rows that each does not have taken from others.

    rows: as each was lifted. weights: of the parents, which come first, in a mean of several; a
    state beyond them (their base) takes rows and gives none.
    """
    full: list[dict[str, Tensor]] = [dict(state) for state in states]
    parents = range(len(weights))
    sources: dict[tuple[int, ...], list[int]] = {}
    for output in range(len(rows[0])):
        owners = tuple(parent for parent in parents if rows[parent][output] is not None)
        sources.setdefault(owners, []).append(output)
    for name, axis in head_axes(spec).items():
        for owners, outputs in sources.items():
            index = torch.tensor(outputs)
            own = [{name: states[parent][name].index_select(axis, index)} for parent in owners]
            mean = weighted_mean(own, _shares([weights[parent] for parent in owners]))[name]
            for state, known in zip(full, rows, strict=True):
                missing = torch.tensor([known[output] is None for output in outputs])
                state[name] = state[name].index_copy(
                    axis, index[missing], mean.index_select(axis, missing.nonzero().flatten())
                )
    return list(full)


def _shares(weights: Sequence[float]) -> list[float]:
    """Weights as shares of their sum; alike where that is 0."""
    total = sum(weights)
    return [weight / total if total else 1 / len(weights) for weight in weights]
