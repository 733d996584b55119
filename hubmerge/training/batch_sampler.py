"""The order in which a learner sees the rows, and what is wanted of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.models.batch_norm_rows import normalisable, sees_one_value
from hubmerge.models.method_context import MethodContext
from hubmerge.training.augmentation import (
    VIEWS,
    Blend,
    View,
    inputs_of,
    is_image,
    mixed,
    rows_of,
)
from hubmerge.training.midpoint_loss import ParentModels
from hubmerge.utils.input_batches import InputBatch

ROWS = 25
"""Rows of one step by default: a quarter of a batch."""

AS_IT_IS = 0
"""Number of the view that moves nothing, where there is one."""

HELD_OUT = 500
"""Validation rows that are looked at, at most."""

SAID_BYTES = 2**30
"""Of what parents say, kept of rows to learn from, and of validation rows: 1 GiB each. What more
rows a language model learns from, its parents are asked about again whenever it sees them."""


@dataclass(frozen=True)
class TrainingBatch:
    """Rows of one step: a view, which of its rows, and what each is blended with, if anything.

    number: of the step, from the start of the order.
    """

    number: int
    view: View
    rows: Tensor
    blend: Blend | None = None


class BatchSampler:
    """What is wanted: the parents' mean prediction, or, without parents, the rows' labels."""

    def __init__(
        self,
        context: MethodContext,
        parents: ParentModels | None,
        seed: int,
        *,
        unmoved: bool = False,
        blended: bool = False,
        rows: int = ROWS,
    ) -> None:
        """unmoved: whether every other epoch shows the rows as they are. blended: whether images of
        a step are then blended with one another. rows: of one step.

        Raises: RecipeError, if there are no calibration or no validation rows, or a single one
        that batch norms cannot normalise by itself.
        """
        for batches, what in ((context.batches, "calibration"), (context.validation, "validation")):
            if not len(batches):
                raise RecipeError(
                    f"learning needs {what} rows",
                    found="none are left for it",
                    hint=f"{option('match', 'weights')} needs no data",
                    field="match",
                )
        self._bench, self._parents, self._seed = context, parents, seed
        self._unmoved, self._rows = unmoved, rows
        self._batches = normalisable(context.batches, context.scratch, "calibration")
        normalisable(context.validation, context.scratch, "validation")
        self._single = sees_one_value(context.scratch, self._batches[0].inputs)
        pictures = [is_image(value) for value in self._batches[0].inputs.values()]
        self._varied, self._blended = any(pictures), blended and all(pictures)
        self._said: dict[View | int, Tensor] = {}
        self._latest: tuple[View | int, Tensor] | None = None
        self._seen: tuple[View, dict[str, Tensor]] | None = None

    def order(self) -> Iterator[TrainingBatch]:
        """Without end: all batches in a random order, each in one view and cut into steps."""
        epoch, number, count = 0, 0, len(self._batches)
        while True:
            generator = torch.Generator().manual_seed(mixed(self._seed, epoch))
            for batch in torch.randperm(count, generator=generator).tolist():
                rows = torch.randperm(len(self._batches[batch]), generator=generator)
                for part in self._steps(rows):
                    blend = Blend.drawn(len(part), generator) if self._blended else None
                    yield TrainingBatch(number, View(batch, self._shown(epoch)), part, blend)
                    number += 1
            epoch += 1

    def _shown(self, epoch: int) -> int:
        """The number of the view that an epoch shows; of rows no view moves, always the same."""
        if not self._varied or (self._unmoved and epoch % 2 == 0):
            return AS_IT_IS
        return epoch % VIEWS

    def _steps(self, rows: Tensor) -> list[Tensor]:
        """The rows of a batch cut into steps, none of a single row that cannot be normalised."""
        parts = list(rows.split(self._rows))
        if self._single and len(parts) > 1 and len(parts[-1]) == 1:
            parts[-2:] = [torch.cat(parts[-2:])]
        return parts

    def inputs(self, lesson: TrainingBatch) -> dict[str, Tensor]:
        """What the model takes."""
        found = rows_of(self._view(lesson.view), lesson.rows)
        return found if lesson.blend is None else lesson.blend.of(found)

    def wanted(self, lesson: TrainingBatch) -> Tensor:
        """Labels [rows], or predictions [rows, classes]."""
        if self._parents is None:
            return labels_of(self._batches[lesson.view.batch])[lesson.rows]
        if lesson.blend is not None:  # other blends in every step, the same in every course
            return self._said_of(lesson.number, lambda: self.inputs(lesson))
        return self._said_of(lesson.view, lambda: self._view(lesson.view))[lesson.rows]

    def _said_of(self, what: View | int, shown: Callable[[], dict[str, Tensor]]) -> Tensor:
        """What parents say of all rows of a view, or of the blends of a step: kept as long as there
        is room for it."""
        if what in self._said:
            return self._said[what]
        if self._latest is None or self._latest[0] != what:
            assert self._parents is not None
            self._latest = (what, self._parents.say(shown()))
            if sum(said.nbytes for said in self._said.values()) < SAID_BYTES:
                self._said[what] = self._latest[1]
        return self._latest[1]

    def held_out(self) -> dict[int, Tensor]:
        """Validation batch -> what is wanted of its rows, as they are."""
        wanted, rows = dict[int, Tensor](), 0
        for number in range(len(self._bench.validation)):
            if rows >= HELD_OUT or sum(said.nbytes for said in wanted.values()) >= SAID_BYTES:
                break
            batch = self._bench.validation[number]
            labelled = self._parents is None
            wanted[number] = labels_of(batch) if labelled else self._parents_on(batch)
            rows += len(batch)
        return wanted

    def _parents_on(self, batch: InputBatch) -> Tensor:
        assert self._parents is not None
        return self._parents.say(batch.inputs)

    def _view(self, view: View) -> dict[str, Tensor]:
        if self._seen is None or self._seen[0] != view:
            plain = self._unmoved and view.number == AS_IT_IS
            if self._parents is None or plain:  # a label is that of the row as it is
                self._seen = (view, dict(self._batches[view.batch].inputs))
            else:
                self._seen = (view, inputs_of(self._batches, view, self._seed))
        return self._seen[1]


def labels_of(batch: InputBatch) -> Tensor:
    """Raises: RecipeError, if the rows have no labels."""
    labels = getattr(batch, "labels", None)
    if labels is None:
        raise RecipeError(
            "learning from labels needs rows with labels",
            found="rows without labels",
            hint=f"{option('match', 'learned')} learns from the parents' outputs",
            field="match",
        )
    return labels
