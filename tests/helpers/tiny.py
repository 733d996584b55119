"""A tiny model of every registered family, and what freedom its spec must find in it.

A family added to `model_specs/` is tested by existing, once it has an entry here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.models import MlpHeadConfig, MlpHeadForClassification, shaken

Spaces = dict[str, int]


@dataclass(frozen=True)
class Tiny:
    """How to build the model, and every free space it has with its size."""

    family: str
    build: Callable[[], PreTrainedModel]
    spaces: Spaces


@dataclass(frozen=True)
class ProbeBatch:
    """Random input in the shape of the measuring room's batches."""

    inputs: dict[str, Tensor]

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


def _vit(layers: int = 2, **config: object) -> Callable[[], PreTrainedModel]:
    def build() -> PreTrainedModel:
        return ViTForImageClassification(
            ViTConfig(
                hidden_size=16,
                num_hidden_layers=layers,
                num_attention_heads=4,
                intermediate_size=24,
                image_size=8,
                patch_size=4,
                num_labels=3,
                hidden_dropout_prob=0.0,
                attention_probs_dropout_prob=0.0,
                **config,
            )
        )

    return build


def _vit_spaces(layers: int = 2) -> Spaces:
    each = {"head": 4, "qk": 4, "vo": 4, "ff": 24}
    return {"resid": 16} | {
        f"vit.layers.{layer}.{name}": size for layer in range(layers) for name, size in each.items()
    }


def resnet(kind: str, depths: list[int], widths: list[int], **config: object):
    """How to build a ResNet of blocks of that `kind`."""

    def build() -> PreTrainedModel:
        return ResNetForImageClassification(
            ResNetConfig(
                embedding_size=8,
                hidden_sizes=widths,
                depths=depths,
                layer_type=kind,
                num_labels=3,
                **config,
            )
        )

    return build


def _mlp(widths: list[int], **config: object) -> Callable[[], PreTrainedModel]:
    def build() -> PreTrainedModel:
        return MlpHeadForClassification(
            MlpHeadConfig(input_size=12, hidden_sizes=widths, num_labels=3, **config)
        )

    return build


WORDS = {"vocab_size": 11, "bos_token_id": 0, "eos_token_id": 1}


def _gpt2(layers: int, **config: object) -> Callable[[], PreTrainedModel]:
    def build() -> PreTrainedModel:
        sizes = {"n_embd": 16, "n_layer": layers, "n_head": 4, "n_inner": 24, "n_positions": 8}
        return GPT2LMHeadModel(GPT2Config(**sizes, **WORDS, **config))

    return build


def _llama(layers: int, **config: object) -> Callable[[], PreTrainedModel]:
    def build() -> PreTrainedModel:
        return LlamaForCausalLM(
            LlamaConfig(
                hidden_size=16,
                num_hidden_layers=layers,
                num_attention_heads=4,
                intermediate_size=24,
                max_position_embeddings=8,
                **WORDS,
                **config,
            )
        )

    return build


def _layers(prefix: str, layers: int, **sizes: int) -> Spaces:
    return {"resid": 16} | {
        f"{prefix}.{layer}.{name}": size for layer in range(layers) for name, size in sizes.items()
    }


def _gpt2_spaces(layers: int) -> Spaces:
    return _layers("transformer.h", layers, head=4, qk=4, vo=4, ff=24)


def _grouped(layers: int) -> Spaces:
    return _layers("model.layers", layers, kv=2, q=2, rot=4, vo=4, ff=24)


_STAGE = "resnet.encoder.stages.{}.layers.{}".format
_BASIC = {
    "stem": 8,
    f"{_STAGE(0, 0)}.mid": 8,
    f"{_STAGE(0, 1)}.mid": 8,
    f"{_STAGE(1, 0)}.mid": 12,
    f"{_STAGE(1, 0)}.y": 12,
    f"{_STAGE(1, 1)}.mid": 12,
}
_BOTTLENECK = {
    "stem": 8,
    f"{_STAGE(0, 0)}.narrow": 4,
    f"{_STAGE(0, 0)}.wide": 4,
    f"{_STAGE(0, 0)}.y": 16,
    f"{_STAGE(0, 1)}.narrow": 4,
    f"{_STAGE(0, 1)}.wide": 4,
    f"{_STAGE(1, 0)}.narrow": 6,
    f"{_STAGE(1, 0)}.wide": 6,
    f"{_STAGE(1, 0)}.y": 24,
}

TINY: dict[str, Tiny] = {
    "vit": Tiny("vit", _vit(), _vit_spaces()),
    "vit-deep-no-qkv-bias": Tiny("vit", _vit(3, qkv_bias=False), _vit_spaces(3)),
    "resnet-basic": Tiny("resnet", resnet("basic", [2, 2], [8, 12]), _BASIC),
    "resnet-basic-tanh": Tiny(
        "resnet", resnet("basic", [2, 2], [8, 12], hidden_act="tanh"), _BASIC
    ),
    "resnet-basic-widening": Tiny(
        "resnet",
        resnet("basic", [1, 2, 1], [10, 12, 14]),
        {
            "stem": 8,
            f"{_STAGE(0, 0)}.mid": 10,
            f"{_STAGE(0, 0)}.y": 10,
            f"{_STAGE(1, 0)}.mid": 12,
            f"{_STAGE(1, 0)}.y": 12,
            f"{_STAGE(1, 1)}.mid": 12,
            f"{_STAGE(2, 0)}.mid": 14,
            f"{_STAGE(2, 0)}.y": 14,
        },
    ),
    "resnet-bottleneck": Tiny("resnet", resnet("bottleneck", [2, 1], [16, 24]), _BOTTLENECK),
    "resnet-bottleneck-silu": Tiny(
        "resnet", resnet("bottleneck", [2, 1], [16, 24], hidden_act="silu"), _BOTTLENECK
    ),
    "mlp_head-none": Tiny("mlp_head", _mlp([16, 20]), {"layers.0.y": 16, "layers.1.y": 20}),
    "mlp_head-layer": Tiny(
        "mlp_head",
        _mlp([16, 20, 18], norm="layer", hidden_act="gelu"),
        {"layers.0.y": 16, "layers.1.y": 20, "layers.2.y": 18},
    ),
    "mlp_head-batch": Tiny("mlp_head", _mlp([24], norm="batch"), {"layers.0.y": 24}),
    "mlp_head-tanh": Tiny(
        "mlp_head", _mlp([16, 20], hidden_act="tanh"), {"layers.0.y": 16, "layers.1.y": 20}
    ),
    "mlp_head-tanh-batch": Tiny(
        "mlp_head", _mlp([24], norm="batch", hidden_act="tanh"), {"layers.0.y": 24}
    ),
    "gpt2": Tiny("gpt2", _gpt2(2), _gpt2_spaces(2)),
    "gpt2-untied": Tiny(
        "gpt2",
        _gpt2(1, tie_word_embeddings=False, activation_function="leaky_relu"),
        _gpt2_spaces(1),
    ),
    "llama": Tiny("llama", _llama(2, num_key_value_heads=2), _grouped(2)),
    "llama-tied-bias": Tiny(
        "llama",
        _llama(
            1, num_key_value_heads=2, tie_word_embeddings=True, attention_bias=True, mlp_bias=True
        ),
        _grouped(1),
    ),
    "llama-one-query-each": Tiny(
        "llama",
        _llama(1, num_key_value_heads=4),
        _layers("model.layers", 1, kv=4, rot=4, vo=4, ff=24),
    ),
}


SIDE = {"resnet": 16, "vit": 8}
"""Height and width of the images each family is probed with."""


def fresh(name: str, seed: int = 0) -> PreTrainedModel:
    """The model as it is initialised, in float64 and eval mode."""
    torch.manual_seed(seed)
    return TINY[name].build().double().eval()


@lru_cache(maxsize=64)
def generic(name: str, seed: int = 0) -> PreTrainedModel:
    """The model with no tensor left at a value that permuting would not change. Shared."""
    return shaken(fresh(name, seed), seed).eval()


def probe(
    model: PreTrainedModel, rows: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64
) -> dict[str, Tensor]:
    """Random normal input the model accepts, or random tokens."""
    generator = torch.Generator().manual_seed(seed)
    if model.main_input_name == "input_ids":
        return {"input_ids": torch.randint(WORDS["vocab_size"], (rows, 8), generator=generator)}
    if model.main_input_name == "features":
        shape = (rows, model.config.input_size)
    else:
        side = SIDE[model.config.model_type]
        shape = (rows, model.config.num_channels, side, side)
    return {model.main_input_name: torch.randn(shape, generator=generator, dtype=dtype)}


def probe_batches(
    model: PreTrainedModel, rows: int = 16, count: int = 3, dtype: torch.dtype = torch.float64
) -> list[ProbeBatch]:
    """`count` batches of random input."""
    return [ProbeBatch(probe(model, rows, number, dtype)) for number in range(count)]
