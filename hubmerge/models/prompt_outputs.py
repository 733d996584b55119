"""Images against texts: the model's own similarity to a text for each class, as logits.

Every text is run without padding, beside others of its length, but for models that were trained
with texts of one length, padding included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from hubmerge.models.class_outputs import ClassOutputs

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from hubmerge.models.label_outputs import Answers


@dataclass(frozen=True, eq=False)
class Prompts:
    """A text for each class, as tokens: inputs of texts of one length, and whose they are."""

    classes: tuple[tuple[int, ...], ...]
    inputs: tuple[Mapping[str, Tensor], ...]

    @property
    def count(self) -> int:
        """How many classes there are."""
        return sum(map(len, self.classes))

    def of(self, number: int) -> dict[str, Tensor]:
        """The inputs of the text of class `number`, [1, tokens]."""
        for classes, inputs in zip(self.classes, self.inputs, strict=True):
            if number in classes:
                place = classes.index(number)
                return {name: value[place : place + 1] for name, value in inputs.items()}
        raise IndexError(number)


@dataclass(frozen=True, eq=False)
class PromptStatistics:
    """Keeps a logit for each class of the data set."""

    prompts: Prompts

    def width(self, config: PreTrainedConfig) -> int:
        """One logit for each class."""
        return self.prompts.count

    def rows_at_once(self, config: PreTrainedConfig, labels: Tensor) -> None:
        """All rows of a batch."""

    def ask(self, model: Any, inputs: Mapping[str, Tensor]) -> Any:
        """Logits [rows, classes] of images: scaled cosines of their embeddings and the texts'."""
        images = _unit(model.get_image_features(pixel_values=inputs["pixel_values"]))
        texts = images.new_empty(self.prompts.count, images.shape[1])
        for classes, given in zip(self.prompts.classes, self.prompts.inputs, strict=True):
            here = {name: value.to(images.device) for name, value in given.items()}
            texts[list(classes)] = _unit(model.get_text_features(**here))
        logits = model.logit_scale.exp() * images @ texts.T + getattr(model, "logit_bias", 0.0)
        return SimpleNamespace(logits=logits)

    def of_batch(self, answer: Any, labels: Tensor) -> Tensor:
        """The logits, float64 [rows, classes] on the CPU."""
        return answer.logits.double().cpu()

    def outputs(
        self, figures: np.ndarray, labels: np.ndarray, answers: Answers | None
    ) -> ClassOutputs:
        """All rows together."""
        return ClassOutputs(figures, labels)


def _unit(found: Any) -> Tensor:
    """Embeddings [rows, width] of length 1."""
    embedded: Tensor = found if isinstance(found, Tensor) else found.pooler_output
    return torch.nn.functional.normalize(embedded, dim=-1)
