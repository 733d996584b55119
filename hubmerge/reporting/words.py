"""What is said of a model by what it is for: the names of its figures, and how a loss is shown."""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubmerge.tasks.task import CLASSIFICATION, LANGUAGE


@dataclass(frozen=True)
class Words:
    """The words for one task.

    accuracy: what share is right. loss: what a loss is shown as, the exponential of it if
    `exponential`. nats: what a loss is in. scale: how the losses in a table are to be read.
    processor: what prepares inputs.
    """

    accuracy: str
    loss: str
    nats: str
    scale: str
    processor: str
    exponential: bool = False

    def shown(self, loss: float | None) -> float | None:
        """What stands in a table for a mean loss in nats; None if that is no number."""
        if loss is None or not self.exponential:
            return loss
        return math.exp(loss) if loss < math.log(1e300) else None

    @property
    def headline(self) -> str:
        """The figure a verdict quotes."""
        return self.loss if self.exponential else self.accuracy


PLAIN = Words("accuracy", "loss", "nats", "losses in nats", "processor")
TOKENS = Words(
    "next-token accuracy",
    "perplexity",
    "nats per token",
    "perplexity is the exponential of the mean loss of a token in nats",
    "tokenizer",
    exponential=True,
)

_WORDS = {CLASSIFICATION.name: PLAIN, LANGUAGE.name: TOKENS}


def words_for(task: str) -> Words:
    """The words for models of a pipeline tag."""
    return _WORDS.get(task, PLAIN)
