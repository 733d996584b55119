"""A tiny model of every registered family, and what freedom its spec must find in it.

A family is tested by existing: its file says in [test] how its tiny models are built.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import AutoConfig, PreTrainedModel

from hubmerge.models import probe_inputs, shaken
from hubmerge.specs.family import Family, load_families
from hubmerge.specs.tables import TinyModel


@dataclass(frozen=True)
class Tiny:
    """A tiny model as a family's file describes it."""

    family: str
    model_type: str
    model: TinyModel

    @property
    def spaces(self) -> dict[str, int]:
        """Every free space it has, with its size."""
        return self.model.spaces

    def build(self, **config: Any) -> PreTrainedModel:
        """It, untrained; `config` overrides fields of its configuration."""
        fields = {"model_type": self.model_type, **self.model.config, **config}
        model_class = getattr(transformers, str(self.model.model_class))
        build = getattr(model_class, "from_config", model_class)
        built: PreTrainedModel = build(AutoConfig.for_model(**fields))
        return built


def tiny_models(family: Family) -> dict[str, Tiny]:
    """The tiny models of a family, by name."""
    given = family.match["model_type"]
    model_type = given[0] if isinstance(given, list) else given
    return {
        name: Tiny(family.name, model_type, model) for name, model in family.tiny_models.items()
    }


EVERY: dict[str, Tiny] = {
    name: tiny
    for family in load_families().families.values()
    for name, tiny in tiny_models(family).items()
}
"""The tiny models of all families: what test_families.py runs over."""

EVERY_FIRST: dict[str, Tiny] = {}
"""The first of each family."""
for _tiny in EVERY.values():
    EVERY_FIRST.setdefault(_tiny.family, _tiny)

THROUGHOUT = ("gpt2", "llama", "mlp_head", "resnet", "vit")
"""Families of every kind of space there is, on which every method is tested."""

TINY: dict[str, Tiny] = {
    name: tiny
    for name, tiny in EVERY.items()
    if tiny.family in THROUGHOUT
    and tiny.model.model_class == EVERY_FIRST[tiny.family].model.model_class
}
"""Their tiny models with the first head. Others are for the slow tests: test_every_family.py."""


@dataclass(frozen=True)
class ProbeBatch:
    """Random input in the shape of the evaluation's batches."""

    inputs: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


TOKENS = 8
"""Tokens of a row of probes."""

KNOWN = ("input_ids", "features", "pixel_values")

SIDE = 16
"""Height and width of images for models of any size."""


def fresh(name: str, seed: int = 0) -> PreTrainedModel:
    """The model as it is initialised, in float64 and eval mode."""
    torch.manual_seed(seed)
    return EVERY[name].build().double().eval()


@lru_cache(maxsize=256)  # all there are: pytest runs over them once per test function
def generic(name: str, seed: int = 0) -> PreTrainedModel:
    """The model with no tensor left at a value that permuting would not change. Shared."""
    return shaken(fresh(name, seed), seed).eval()


def probe(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Random normal input the model accepts, or random tokens."""
    if hasattr(model.config, "vision_config"):
        return probe_inputs(model, rows, seed, dtype)
    if model.config.is_encoder_decoder or model.main_input_name not in KNOWN:
        return probe_inputs(model, rows, seed, dtype)
    generator = torch.Generator().manual_seed(seed)
    if model.main_input_name == "input_ids":
        tokens = torch.randint(model.config.vocab_size, (rows, TOKENS), generator=generator)
        return {"input_ids": tokens}
    if model.main_input_name == "features":
        shape = (rows, model.config.input_size)
    else:
        side = getattr(model.config, "image_size", SIDE)
        shape = (rows, model.config.num_channels, side, side)
    return {model.main_input_name: torch.randn(shape, generator=generator, dtype=dtype)}


def probe_batches(
    model: PreTrainedModel, rows: int = 16, count: int = 3, dtype: torch.dtype = torch.float64
) -> list[ProbeBatch]:
    """`count` batches of random input."""
    return [ProbeBatch(probe(model, rows, number, dtype)) for number in range(count)]
