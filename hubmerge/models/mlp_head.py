"""MLP head: the small classifier people train on frozen embeddings, as a transformers model.

    features [batch, input_size]                     (or pixel_values, flattened to that)
      -> hidden_sizes[i] units per layer: linear, norm, activation, dropout
      -> classifier [batch, num_labels]

transformers has no MLP-only family, so importing this module adds one: after
`import hubmerge.models` every Auto class knows `model_type: mlp_head`. Its tensors are named

    layers.{i}.linear.weight|bias
    layers.{i}.norm.weight|bias                       norm "layer" or "batch"
    layers.{i}.norm.running_mean|running_var|num_batches_tracked    norm "batch"
    classifier.weight|bias

and `layers.{i}` as well as `layers.{i}.activation` output the units after the activation.
"""

# No `from __future__ import annotations` here: `strict` checks a config's values against the types
# themselves and passes over types that are strings.
import math
from itertools import pairwise
from typing import Any, Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
)
from transformers import initialization as init
from transformers.activations import ACT2FN
from transformers.modeling_outputs import ImageClassifierOutputWithNoAttention
from transformers.utils.generic import can_return_tuple

NORMS: dict[str, type[nn.Module]] = {
    "none": nn.Identity,
    "layer": nn.LayerNorm,
    "batch": nn.BatchNorm1d,
}


@strict
class MlpHeadConfig(PreTrainedConfig):
    """Shape of an MLP head. Wrong values raise a StrictDataclassError that names the field.

    input_size: features per example; for images channels x height x width.
    hidden_sizes: units of each hidden layer, at least one layer.
    norm: between linear and activation.
    dropout: probability after each activation, while training.
    """

    model_type = "mlp_head"

    input_size: int = 64
    hidden_sizes: list[int] | tuple[int, ...] = (128,)
    hidden_act: Literal["relu", "gelu", "tanh", "silu"] = "relu"
    norm: Literal["none", "layer", "batch"] = "none"
    dropout: float | int = 0.0

    def __post_init__(self, **kwargs: Any) -> None:
        self.hidden_sizes = list(self.hidden_sizes)
        super().__post_init__(**kwargs)

    def validate_sizes(self) -> None:
        """Every width is a positive number, and there is a hidden layer."""
        if self.input_size < 1:
            raise ValueError(
                f"input_size={self.input_size}: give the number of features, at least 1"
            )
        if not self.hidden_sizes:
            raise ValueError("hidden_sizes=[]: give at least one width, such as [128]")
        if min(self.hidden_sizes) < 1:
            raise ValueError(f"hidden_sizes={self.hidden_sizes}: every width must be at least 1")

    def validate_dropout(self) -> None:
        """A probability that leaves something to train on."""
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout={self.dropout}: give a probability from 0 to below 1")


class MlpHeadLayer(nn.Module):
    """linear -> norm -> activation -> dropout, [batch, inputs] -> [batch, outputs]."""

    def __init__(self, config: MlpHeadConfig, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)
        self.norm = NORMS[config.norm](outputs)
        self.activation = ACT2FN[config.hidden_act]
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, units: Tensor) -> Tensor:
        return self.dropout(self.activation(self.norm(self.linear(units))))


class MlpHeadForClassification(PreTrainedModel):
    """The MLP head with its classifier; cross-entropy loss in nats where labels are given."""

    config_class = MlpHeadConfig
    base_model_prefix = "mlp_head"
    main_input_name = "features"

    def __init__(self, config: MlpHeadConfig) -> None:
        super().__init__(config)
        self.num_labels = len(config.id2label or {})
        widths = [config.input_size, *config.hidden_sizes]
        self.layers = nn.ModuleList(
            MlpHeadLayer(config, inputs, outputs) for inputs, outputs in pairwise(widths)
        )
        self.classifier = nn.Linear(widths[-1], self.num_labels)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Linear as torch initialises it, which suits any width; norms as transformers does."""
        if isinstance(module, nn.Linear):
            bound = 1 / math.sqrt(module.in_features)
            init.kaiming_uniform_(module.weight, a=math.sqrt(5))
            init.uniform_(module.bias, -bound, bound)
        else:
            super()._init_weights(module)

    @can_return_tuple
    def forward(
        self,
        features: Tensor | None = None,
        pixel_values: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> ImageClassifierOutputWithNoAttention:
        """Classify `features` [batch, input_size] or `pixel_values` [batch, channels, h, w].

        labels: class indices [batch], for the loss.
        Raises: ValueError, if not exactly one of the two is given, or its size is not input_size.
        """
        units = self._units(features, pixel_values)
        for layer in self.layers:
            units = layer(units)
        logits = self.classifier(units)
        loss = None if labels is None else F.cross_entropy(logits, labels)
        return ImageClassifierOutputWithNoAttention(loss=loss, logits=logits)

    def _units(self, features: Tensor | None, pixel_values: Tensor | None) -> Tensor:
        given = pixel_values if features is None else features
        if given is None or (features is not None and pixel_values is not None):
            raise ValueError("give features [batch, input_size] or pixel_values, one of the two")
        units = given.flatten(1)
        if units.shape[1] != self.config.input_size:
            raise ValueError(
                f"input of shape {list(given.shape)} has {units.shape[1]} values per example, "
                f"but this model has input_size={self.config.input_size}"
            )
        return units.to(self.classifier.weight.dtype)


def register() -> None:
    """Make transformers' Auto classes know the family; calling it again changes nothing."""
    AutoConfig.register(MlpHeadConfig.model_type, MlpHeadConfig, exist_ok=True)
    for auto in (AutoModel, AutoModelForImageClassification):
        auto.register(MlpHeadConfig, MlpHeadForClassification, exist_ok=True)
