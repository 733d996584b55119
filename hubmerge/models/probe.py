"""Inputs and weights that hide nothing: what a law about a model is checked on.

A fresh model has biases of 0, norm gains of 1 and running means of 0, which every permutation
leaves alone: on it a wrong spec would pass. `shaken` makes such tensors generic.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageClassification,
    PreTrainedConfig,
    PreTrainedModel,
)

from hubmerge.errors import FamilyError

DEFAULT_IMAGE_SIZE = 64
"""Height and width where the family takes any: a side that five halvings still divide."""

TOKENS = 8
"""Tokens in a row of text, where the model has positions for as many."""

AMPLITUDE = 0.1
"""Noise added to a tensor whose values are all equal; other tensors get this share of their
standard deviation."""


def probe_inputs(
    model_or_config: PreTrainedModel | PreTrainedConfig,
    rows: int = 2,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """Random normal input this model accepts, or random tokens, by the name its forward takes.

    Returns: {"pixel_values": [rows, channels, height, width]}, {"features": [rows, size]} or
    {"input_ids": [rows, tokens]}. Raises: FamilyError, if the model takes none of them.
    """
    shape: tuple[int, ...]
    if isinstance(model_or_config, PreTrainedModel):
        config, name = model_or_config.config, model_or_config.main_input_name
    else:
        config, name = model_or_config, _main_input_name(model_or_config)
    generator = torch.Generator().manual_seed(seed)
    if name == "input_ids" and isinstance(getattr(config, "vocab_size", None), int):
        tokens = min(TOKENS, getattr(config, "max_position_embeddings", None) or TOKENS)
        return {name: torch.randint(config.vocab_size, (rows, tokens), generator=generator)}
    if name == "pixel_values":
        shape = _image_shape(config)
    elif name == "features" and hasattr(config, "input_size"):
        shape = (config.input_size,)
    else:
        raise _no_probe(config, f'its main input is "{name}"')
    return {name: torch.randn(rows, *shape, generator=generator, dtype=torch.float64).to(dtype)}


def shaken(model: PreTrainedModel, seed: int = 0) -> PreTrainedModel:
    """A copy of `model` in which no float tensor of the state is constant any more.

    Gains stay around 1, variances positive, integer counters as they are; tied tensors stay tied.
    The same seed gives the same weights.
    """
    model = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(seed)
    seen: set[int] = set()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if not value.is_floating_point() or value.data_ptr() in seen:
                continue
            seen.add(value.data_ptr())
            noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
            value.copy_(_shake(value.double(), noise, is_variance=name.endswith("running_var")))
    return model


def _shake(value: Tensor, noise: Tensor, is_variance: bool) -> Tensor:
    """`value` with `noise` (standard normal, same shape, float64) worked in."""
    if is_variance:
        return (value + AMPLITUDE) * torch.exp(AMPLITUDE * noise)
    spread = value.std().item() if value.numel() > 1 else 0.0
    return value + AMPLITUDE * (spread or 1.0) * noise.to(value.device)


def _main_input_name(config: PreTrainedConfig) -> str:
    for auto in (AutoModelForImageClassification, AutoModelForCausalLM):
        classes: Any = auto._model_mapping  # type: ignore[attr-defined]
        if type(config) in classes:
            found = classes[type(config)]
            return (found[0] if isinstance(found, tuple) else found).main_input_name
    raise _no_probe(config, "transformers has no image classifier or language model of this type")


def _image_shape(config: PreTrainedConfig) -> tuple[int, int, int]:
    channels = getattr(config, "num_channels", None)
    if not isinstance(channels, int):
        raise _no_probe(config, f"its configuration says num_channels={channels}")
    size = getattr(config, "image_size", None) or DEFAULT_IMAGE_SIZE
    height, width = (size, size) if isinstance(size, int) else size
    return channels, height, width


def _no_probe(config: PreTrainedConfig, found: str) -> FamilyError:
    return FamilyError(
        f'no probe input is known for model_type "{config.model_type}"',
        found=found,
        hint="models that take pixel_values, input_ids, or features with input_size, can be probed",
    )
