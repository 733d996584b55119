"""What a match becomes does not hang on the last digits of what it is made from.

Another processor adds in another order, which changes the last digit of every product. Here the
weights are changed by more than that, which does the same on one processor.
"""

from __future__ import annotations

import pytest
import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.matching.descent import match_descent
from hubmerge.matching.weights import match_weights
from hubmerge.models import shaken
from hubmerge.spec.laws import spec_of

DIGIT = 1e-8
"""Share of themselves by which weights are changed."""


def vit():
    sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 4}
    return ViTForImageClassification(
        ViTConfig(image_size=16, patch_size=8, num_attention_heads=4, **sizes)
    )


def resnet():
    return ResNetForImageClassification(
        ResNetConfig(
            embedding_size=32, hidden_sizes=[64, 128, 256], depths=[2, 2, 2], layer_type="basic"
        )
    )


def llama():
    sizes = {"hidden_size": 96, "intermediate_size": 160, "num_hidden_layers": 3, "vocab_size": 32}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2}
    return LlamaForCausalLM(LlamaConfig(**sizes, **heads))


def pair(build):
    """A spec and the states of two strangers, float64."""
    models = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        models.append(shaken(build().double(), seed).eval())
    return spec_of(models[0]), *(model.state_dict() for model in models)


def nudged(state):
    generator = torch.Generator().manual_seed(0)
    return {
        name: value * (1 + DIGIT * torch.randn(value.shape, generator=generator).double())
        if value.is_floating_point()
        else value
        for name, value in state.items()
    }


@pytest.mark.parametrize("match", [match_weights, match_descent])
@pytest.mark.parametrize("build", [vit, resnet, llama])
def test_rounding_decides_nothing(match, build):
    spec, anchor, other = pair(build)
    found, again = match(spec, anchor, other), match(spec, anchor, nudged(other))
    for space, index in found.permutation.items():
        assert torch.equal(again.permutation[space], index), space
    for space, matrix in found.maps.items():
        torch.testing.assert_close(again.maps[space], matrix, atol=1e-4, rtol=0)
