"""Running a model over batches, on all processes and threads, to one and the same bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

from hubmerge.data.batches import Batch, Batches
from hubmerge.models.lookup import bytes_of_a_pass, looks_up
from hubmerge.models.outputs import Outputs, RowStatistics
from hubmerge.utils.workers import Workers


class ParentEnsemble(nn.Module):
    """Models as one, in evaluation mode, that predicts the mean of their probabilities."""

    def __init__(self, members: Sequence[PreTrainedModel]) -> None:
        super().__init__()
        self.members: Any = nn.ModuleList(members)
        self.eval()
        self.config: PreTrainedConfig = members[0].config

    @property
    def device(self) -> torch.device:
        """Where its members are."""
        device: torch.device = self.members[0].device
        return device

    def to(self, device: torch.device) -> Self:  # type: ignore[override]
        """With all members there, each moved in its own way."""
        for member in self.members:
            member.to(device)
        return self

    def answer(self, kept: RowStatistics, inputs: Mapping[str, Tensor]) -> CausalLMOutput:
        """The mean of what each member says as it is asked by `kept`."""
        said = [kept.ask(member, inputs).logits.log_softmax(-1) for member in self.members]
        return CausalLMOutput(logits=torch.stack(said).logsumexp(0))


Asked = PreTrainedModel | ParentEnsemble


def logits(model: Asked, batches: Batches, workers: Workers, what: str = "evaluating") -> Tensor:
    """The model's logits on every row, float64 [rows, classes] on the CPU, in row order.

    The same bits for any number of processes and threads: a batch is one job. The model works on
    `workers.device` in evaluation mode and is back where it was afterwards.
    """

    def job(batch: Batch) -> Tensor:
        return _answer(model, batch, workers).logits.double().cpu()

    if not len(batches):
        return torch.empty(0, model.config.num_labels or 0, dtype=torch.float64)
    return _every(job, model, batches, workers, what)


def outputs(model: Asked, batches: Batches, workers: Workers, what: str = "evaluating") -> Outputs:
    """What the model says of labelled rows, as the batches' own `statistics` keep it.

    Raises: ValueError, if the batches have no labels, or do not say what is kept.
    """
    if batches.labels is None or batches.statistics is None:
        raise ValueError("these batches have no labels: evaluation needs some")
    kept = batches.statistics

    def job(batch: Batch) -> Tensor:
        assert batch.labels is not None
        size = kept.rows_at_once(model.config, batch.labels) or len(batch)
        if size >= len(batch):
            return figures(batch)
        return torch.cat(
            [figures(_part(batch, rows)) for rows in torch.arange(len(batch)).split(size)]
        )

    def figures(batch: Batch) -> Tensor:
        assert batch.labels is not None
        labels = batch.labels.to(workers.device)
        with torch.inference_mode():
            inputs = _inputs(batch, workers)
            if isinstance(model, ParentEnsemble):
                return kept.of_batch(model.answer(kept, inputs), labels)
            return kept.of_batch(kept.ask(model, inputs), labels)

    found = torch.empty(0, kept.width(model.config), dtype=torch.float64)
    if len(batches):
        found = _every(job, model, batches, workers, what)
    return kept.outputs(found.numpy(), batches.labels.numpy(), batches.answers)


def _part(batch: Batch, rows: Tensor) -> Batch:
    labels = None if batch.labels is None else batch.labels[rows]
    return Batch({name: value[rows] for name, value in batch.inputs.items()}, labels)


def _answer(model: Asked, batch: Batch, workers: Workers) -> Any:
    with torch.inference_mode():
        return model(**_inputs(batch, workers))


def _inputs(batch: Batch, workers: Workers) -> dict[str, Tensor]:
    return {name: value.to(workers.device) for name, value in batch.inputs.items()}


def _every(
    job: Callable[[Batch], Tensor], model: Asked, batches: Batches, workers: Workers, what: str
) -> Tensor:
    """What `job` makes of every row, in their order."""
    with _at_work(model, workers.device):
        numbers, size = range(len(batches)), _bytes_of_a_job(model)
        found = workers.map(lambda number: job(batches[number]), numbers, what, size=size)
        return batches.in_order(torch.cat(found))


def _bytes_of_a_job(model: Asked) -> int:
    """What running a batch takes where that is much more than the batch: models read from disk."""
    members = list(model.members) if isinstance(model, ParentEnsemble) else [model]
    return bytes_of_a_pass(members[0], len(members)) if looks_up(members[0]) else 0


@contextmanager
def _at_work(model: Asked, device: torch.device) -> Iterator[None]:
    home, was_training = model.device, model.training
    model.eval().to(device)
    try:
        yield
    finally:
        model.train(was_training).to(home)
