"""Running a model over batches, on all processes and threads, to one and the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.measure.batches import Batches
from hubmerge.workers import Workers


@dataclass(frozen=True)
class Outputs:
    """What a contender says about labelled rows."""

    logits: np.ndarray
    """float64 [rows, classes]."""
    labels: np.ndarray
    """int64 [rows], in the order of the classes."""

    def __len__(self) -> int:
        return len(self.labels)

    def first(self, rows: int) -> Outputs:
        """The first `rows` rows."""
        return Outputs(self.logits[:rows], self.labels[:rows])

    @property
    def finite(self) -> bool:
        """Whether every logit is a number."""
        return bool(np.isfinite(self.logits).all())


def logits(
    model: PreTrainedModel, batches: Batches, workers: Workers, what: str = "evaluating"
) -> Tensor:
    """The model's logits on every row, float64 [rows, classes] on the CPU, in row order.

    The same bits for any number of processes and threads: a batch is one job. The model works on
    `workers.device` in evaluation mode and is back where it was afterwards.
    """
    if not len(batches):
        return torch.empty(0, model.config.num_labels or 0, dtype=torch.float64)

    def job(number: int) -> Tensor:
        inputs = {name: value.to(workers.device) for name, value in batches[number].inputs.items()}
        with torch.inference_mode():
            return model(**inputs).logits.double().cpu()

    with _at_work(model, workers.device):
        return torch.cat(workers.map(job, range(len(batches)), what))


def outputs(
    model: PreTrainedModel, batches: Batches, workers: Workers, what: str = "evaluating"
) -> Outputs:
    """`logits` with the rows' labels. Raises: ValueError, if the batches have none."""
    if batches.labels is None:
        raise ValueError("these batches have no labels: evaluation needs some")
    return Outputs(logits(model, batches, workers, what).numpy(), batches.labels.numpy())


@contextmanager
def _at_work(model: PreTrainedModel, device: torch.device) -> Iterator[None]:
    home, was_training = model.device, model.training
    model.eval().to(device)
    try:
        yield
    finally:
        model.train(was_training).to(home)
