"""Inputs and weights that hide nothing: what a law about a model is checked on.

A fresh model has biases of 0, norm gains of 1 and running means of 0, which every permutation
leaves alone: on it a wrong spec would pass. `shaken` makes such tensors generic.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.errors import FamilyError

DEFAULT_IMAGE_SIZE = 64
"""Height and width where the family takes any: a side that five halvings still divide."""

TOKENS = 8
"""Tokens in a row of text, where the model has positions for as many."""

AMPLITUDE = 0.1
"""Noise added to a tensor whose values are all equal; other tensors get this share of their
standard deviation."""


def probe_inputs(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Random input for a model of which no more is known than its class, by its main input.

    Returns: as `image_probe`, `feature_probe` or `token_probe`. Raises: FamilyError, if the model
    takes none of these.
    """
    probe = _PROBES.get(model.main_input_name)
    if probe is None:
        raise _no_probe(model.config, f'its main input is "{model.main_input_name}"')
    return probe(model, rows, seed, dtype)


def image_probe(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """{"pixel_values": [rows, channels, height, width]}, random normal.

    Raises: FamilyError, if the configuration does not say how many channels there are.
    """
    return {"pixel_values": _normal(rows, _image_shape(model.config), seed, dtype)}


def feature_probe(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """{"features": [rows, input_size]}, random normal. Raises: FamilyError, without input_size."""
    size = getattr(model.config, "input_size", None)
    if not isinstance(size, int):
        raise _no_probe(model.config, f"its configuration says input_size={size}")
    return {"features": _normal(rows, (size,), seed, dtype)}


def token_probe(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """{"input_ids": [rows, tokens]}, random; with "decoder_input_ids", where there is a decoder.

    Raises: FamilyError, without vocab_size.
    """
    config = model.config
    size = getattr(config, "vocab_size", None)
    if not isinstance(size, int):
        raise _no_probe(config, f"its configuration says vocab_size={size}")
    generator = torch.Generator().manual_seed(seed)
    tokens = min(TOKENS, getattr(config, "max_position_embeddings", None) or TOKENS)
    names = ["input_ids"]
    if getattr(config, "is_encoder_decoder", False):
        names.append("decoder_input_ids")
    return {name: torch.randint(size, (rows, tokens), generator=generator) for name in names}


_PROBES: dict[str, Callable[[PreTrainedModel, int, int, torch.dtype], dict[str, Tensor]]] = {
    "pixel_values": image_probe,
    "features": feature_probe,
    "input_ids": token_probe,
}


def _normal(rows: int, shape: tuple[int, ...], seed: int, dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, *shape, generator=generator, dtype=torch.float64).to(dtype)


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
