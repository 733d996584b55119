"""Running a model over batches, on all processes and threads, to one and the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from hubmerge.data.batches import Batch, Batches
from hubmerge.evaluation.outputs import ClassOutputs, Outputs
from hubmerge.models.token_outputs import FIGURES, TokenOutputs, figures_of, rows_at_once
from hubmerge.utils.workers import Workers


class ParentEnsemble(nn.Module):
    """Language models as one, in evaluation mode, that predicts the mean of their probabilities."""

    def __init__(self, members: Sequence[PreTrainedModel]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.eval()
        self.config: PreTrainedConfig = members[0].config

    @property
    def device(self) -> torch.device:
        """Where its members are."""
        return next(self.parameters()).device

    def forward(self, **inputs: Tensor) -> CausalLMOutput:
        said = torch.stack([m(**inputs).logits.log_softmax(-1) for m in self.members])
        return CausalLMOutput(logits=said.logsumexp(0))


Asked = PreTrainedModel | ParentEnsemble


def logits(model: Asked, batches: Batches, workers: Workers, what: str = "evaluating") -> Tensor:
    """The model's logits on every row, float64 [rows, classes] on the CPU, in row order.

    The same bits for any number of processes and threads: a batch is one job. The model works on
    `workers.device` in evaluation mode and is back where it was afterwards.
    """

    def job(batch: Batch) -> Tensor:
        return _said(model, batch, workers).double().cpu()

    if not len(batches):
        return torch.empty(0, model.config.num_labels or 0, dtype=torch.float64)
    return _every(job, model, batches, workers, what)


def outputs(model: Asked, batches: Batches, workers: Workers, what: str = "evaluating") -> Outputs:
    """What the model says of labelled rows. Raises: ValueError, if the batches have no labels."""
    if batches.labels is None:
        raise ValueError("these batches have no labels: evaluation needs some")
    if batches.labels.ndim == 1:
        said = logits(model, batches, workers, what).numpy()
        if batches.answers is not None:
            said = batches.answers.read(said)
        return ClassOutputs(said, batches.labels.numpy())

    def job(batch: Batch) -> Tensor:
        assert batch.labels is not None
        size = rows_at_once(batch.labels.shape[1], model.config.vocab_size)
        parts = torch.arange(len(batch)).split(size)
        return torch.cat([_figures(model, batch, part, workers) for part in parts])

    figures = torch.empty(0, FIGURES, dtype=torch.float64)
    if len(batches):
        figures = _every(job, model, batches, workers, what)
    return TokenOutputs(figures.numpy(), batches.labels.numpy())


def _figures(model: Asked, batch: Batch, rows: Tensor, workers: Workers) -> Tensor:
    assert batch.labels is not None
    part = Batch({name: value[rows] for name, value in batch.inputs.items()}, None)
    labels = batch.labels[rows].to(workers.device)
    with torch.inference_mode():
        return figures_of(_said(model, part, workers), labels)


def _said(model: Asked, batch: Batch, workers: Workers) -> Tensor:
    inputs = {name: value.to(workers.device) for name, value in batch.inputs.items()}
    with torch.inference_mode():
        return model(**inputs).logits


def _every(
    job: Callable[[Batch], Tensor], model: Asked, batches: Batches, workers: Workers, what: str
) -> Tensor:
    """What `job` makes of every batch, one behind the other."""
    with _at_work(model, workers.device):
        return torch.cat(
            workers.map(lambda number: job(batches[number]), range(len(batches)), what)
        )


@contextmanager
def _at_work(model: Asked, device: torch.device) -> Iterator[None]:
    home, was_training = model.device, model.training
    model.eval().to(device)
    try:
        yield
    finally:
        model.train(was_training).to(home)
