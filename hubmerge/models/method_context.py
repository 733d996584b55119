"""What work on a merge's weights needs besides the weights: a model to run and images to run on."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.specs.spec import Spec
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.input_batches import InputBatches, NoBatches
from hubmerge.utils.workers import Workers


@dataclass(frozen=True)
class Head:
    """The layer whose outputs not every parent has, where their label sets differ.

    known: bool [parents, outputs].
    """

    module: str
    known: Tensor


@dataclass(frozen=True)
class TaskRows:
    """Calibration rows of each parent's own task, where the parents were made for different ones.

    batches: one per parent. heads: names of the tensors that each parent keeps for itself, and that
    read its task's answers off what all share.
    """

    batches: tuple[InputBatches, ...]
    heads: frozenset[str] = frozenset()


@dataclass(frozen=True)
class MethodContext:
    """A scratch model whose weights may be overwritten, calibration batches, and who runs them.

    spec: what the tensors' axes are; None where no family describes the model. validation: what is
    chosen is chosen on these. checkpoints: where unfinished work is kept, if anywhere. steps: of
    what learns, at most; None: its own. head: None where all parents know all classes. tasks: None
    where all parents read the same rows.
    """

    spec: Spec | None
    scratch: PreTrainedModel
    batches: InputBatches
    workers: Workers
    validation: InputBatches = field(default_factory=NoBatches)
    checkpoints: CheckpointStore | None = None
    steps: int | None = None
    head: Head | None = None
    tasks: TaskRows | None = field(default=None, kw_only=True)

    def rows_of(self, parent: int) -> InputBatches:
        """The calibration rows of that parent's task."""
        return self.batches if self.tasks is None else self.tasks.batches[parent]
