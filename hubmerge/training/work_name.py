"""The name under which unfinished learning is kept: other models, rows or words are other work."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import torch
from torch import Tensor

import hubmerge
from hubmerge.models.method_context import MethodContext
from hubmerge.utils.checkpoint_store import fingerprint
from hubmerge.utils.input_batches import InputBatches
from hubmerge.utils.progress import track


def work_name(
    words: Iterable[str], states: Iterable[Mapping[str, Tensor]], context: MethodContext
) -> str:
    """A name for learning from `states` on the rows of `context`, of 40 hex digits.

    Every row is read for it, which learning will do anyway. Empty without a checkpoint store to
    find it in. Called by all processes alike.

    words: everything else that decides what is learned.
    """
    if context.checkpoints is None:
        return ""
    counts = (str(len(context.batches)), str(len(context.validation)))
    versions = (hubmerge.__version__, torch.__version__)

    def name() -> str:
        rows = chain(_tensors(context.batches), _tensors(context.validation))
        return fingerprint((*words, *counts, *versions), chain(states, rows))

    return context.workers.on_main(name)


def _tensors(batches: InputBatches) -> Iterator[dict[str, Tensor]]:
    """Everything that is learned from, batch by batch."""
    with track(len(batches), "reading rows", "batch") as bar:
        for number in range(len(batches)):
            batch = batches[number]
            labels = getattr(batch, "labels", None)
            yield {**batch.inputs, **({} if labels is None else {"labels": labels})}
            bar.update(1)
