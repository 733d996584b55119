"""A model in memory, with where it is from and what lies beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.hub.describe import labels_of
from hubmerge.hub.layout import TensorHeader
from hubmerge.hub.source import Source
from hubmerge.models.fingerprint import fingerprint
from hubmerge.tasks import Task, task_of


@dataclass(kw_only=True, repr=False)
class LoadedModel:
    """A model ready for work: float32, on the CPU, in evaluation mode."""

    source: Source
    model: PreTrainedModel
    processor: Any | None
    """What prepares images, or of a model that no task accepts other inputs; None without one."""
    dtype: torch.dtype
    """The one most weights are stored in."""
    dtypes: dict[str, torch.dtype]
    """The stored dtype of every floating tensor, by its name in the model."""
    folder: Path
    """Where its files lie."""
    tokenizer: Any | None
    """Of a model that reads texts; None if it comes without one."""
    stored: Mapping[str, TensorHeader] = field(default_factory=dict)
    """Everything in its files, by its name there."""
    fingerprint: str | None = None
    """Of the model as it was loaded; None where nothing is to be said of that."""

    @property
    def changed(self) -> bool:
        """Whether tensors or configuration are others than those that were loaded."""
        return self.fingerprint not in (None, fingerprint(self.model))

    def __repr__(self) -> str:
        numbers = sum(parameter.numel() for parameter in self.model.parameters())
        return (
            f"<{type(self).__name__} {self.source.ref}: {type(self.model).__name__}, "
            f"{numbers:,} parameters, {str(self.dtype).removeprefix('torch.')}>"
        )

    @property
    def task(self) -> Task | None:
        """What the model is for; None if no task accepts it."""
        return task_of(self.config)

    @property
    def config(self) -> PreTrainedConfig:
        """The model's configuration."""
        return self.model.config

    @property
    def id2label(self) -> dict[int, str]:
        """Label names in the order of the outputs."""
        return labels_of(self.config)
