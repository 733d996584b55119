"""Probe inputs fit the model; shaken weights hide nothing."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    ConvNextConfig,
    ConvNextForImageClassification,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    Siglip2Config,
    Siglip2Model,
    ViTConfig,
    ViTForImageClassification,
)

from hubmerge.errors import FamilyError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification, probe_inputs, shaken
from hubmerge.models.probe_inputs import image_size
from hubmerge.symmetry.laws import prove, spec_of

VIT = ViTConfig(
    image_size=[8, 12],
    patch_size=4,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    num_channels=1,
)
RESNET = ResNetConfig(embedding_size=8, hidden_sizes=[8, 12], depths=[1, 2], layer_type="basic")
CONVNEXT = ConvNextConfig(hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], image_size=32)
MODELS = {
    "vit": (ViTForImageClassification, VIT, {"pixel_values": (3, 1, 8, 12)}),
    "resnet": (ResNetForImageClassification, RESNET, {"pixel_values": (3, 3, 64, 64)}),
    "convnext": (ConvNextForImageClassification, CONVNEXT, {"pixel_values": (3, 3, 32, 32)}),
    "mlp_head": (
        MlpHeadForClassification,
        MlpHeadConfig(input_size=10, norm="batch"),
        {"features": (3, 10)},
    ),
}


def fresh(family: str) -> PreTrainedModel:
    torch.manual_seed(0)
    kind, config, _ = MODELS[family]
    return kind(config).eval()


@pytest.mark.parametrize("family", MODELS)
def test_a_probe_fits_its_model_and_is_reproducible(family: str) -> None:
    model, shapes = fresh(family), MODELS[family][2]
    inputs = probe_inputs(model, rows=3, seed=5)
    assert {name: tuple(value.shape) for name, value in inputs.items()} == shapes
    assert model.double()(**inputs).logits.shape[0] == 3
    for name, value in probe_inputs(model, rows=3, seed=5).items():
        assert torch.equal(value, inputs[name])
        assert value.dtype == torch.float64
        assert not torch.equal(value, probe_inputs(model, rows=3, seed=6)[name])
    assert next(iter(probe_inputs(model, dtype=torch.float32).values())).dtype == torch.float32


@pytest.mark.parametrize(("positions", "tokens"), [(3, 3), (7, 7), (8, 8), (64, 8)])
def test_a_row_of_text_has_no_more_tokens_than_the_model_has_positions(
    positions: int, tokens: int
) -> None:
    config = GPT2Config(vocab_size=11, n_embd=8, n_layer=1, n_head=2, n_positions=positions)
    model = GPT2LMHeadModel(config).eval()
    inputs = probe_inputs(model)
    assert inputs["input_ids"].shape == (2, tokens)
    assert model(**inputs).logits.shape == (2, tokens, 11)
    precise = shaken(model).double()
    prove(precise, spec_of(precise), inputs, elements=1)


@pytest.mark.parametrize("family", MODELS)
def test_shaking_leaves_no_tensor_constant(family: str) -> None:
    model = fresh(family)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    moved = shaken(model, seed=3).state_dict()
    for name, value in moved.items():
        assert torch.equal(model.state_dict()[name], before[name]), f"{name}: original changed"
        if value.is_floating_point():
            assert value.flatten().unique().numel() > 0.9 * value.numel(), f"{name}: repeats"
            assert not torch.equal(value, before[name]), f"{name}: not shaken"
        else:
            assert torch.equal(value, before[name])
        if name.endswith("running_var"):
            assert (value > 0).all()
        if "norm" in name and name.endswith(".weight"):
            assert (value - 1).abs().max() < 0.6, f"{name}: gains far from 1"
    again, other = shaken(model, seed=3).state_dict(), shaken(model, seed=4).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in moved.items())
    assert not all(torch.equal(value, other[name]) for name, value in moved.items())


@pytest.mark.parametrize("family", MODELS)
def test_a_shaken_model_still_answers(family: str) -> None:
    model = shaken(fresh(family)).double()
    with torch.inference_mode():
        logits = model(**probe_inputs(model)).logits
    assert torch.isfinite(logits).all()
    assert logits.std() > 1e-3


def test_tied_tensors_stay_tied() -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=11, n_positions=6)
    model = shaken(GPT2LMHeadModel(config))
    assert model.lm_head.weight.data_ptr() == model.transformer.wte.weight.data_ptr()


def test_language_models_get_tokens() -> None:
    config = GPT2Config(n_embd=8, n_layer=1, n_head=2, vocab_size=11, n_positions=16)
    model = GPT2LMHeadModel(config)
    given = probe_inputs(model, rows=3, seed=1)["input_ids"]
    assert (given.dtype, len(given)) == (torch.int64, 3)
    assert len(given.unique()) > 5
    assert torch.isfinite(model.eval()(given).logits).all()


def test_models_without_a_probe_are_refused_by_name() -> None:
    model = MlpHeadForClassification(MlpHeadConfig(input_size=4, hidden_sizes=[4]))
    model.main_input_name = "past_values"
    with pytest.raises(FamilyError, match=r'"mlp_head"[\s\S]*"past_values"'):
        probe_inputs(model)


def test_pixels_come_as_patches_where_shapes_say_what_they_make() -> None:
    config = Siglip2Config(
        text_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                     "intermediate_size": 24, "vocab_size": 37},
        vision_config={"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
                       "intermediate_size": 24, "num_patches": 9, "patch_size": 2},
    )  # fmt: skip
    inputs = probe_inputs(Siglip2Model(config).eval(), rows=2, dtype=torch.float32)
    assert inputs["pixel_values"].shape == (2, 9, 12)
    assert inputs["pixel_attention_mask"].shape == (2, 9)
    assert inputs["spatial_shapes"].tolist() == [[3, 3], [3, 3]]
    assert "input_ids" in inputs


def test_images_for_models_of_timm_are_those_they_were_made_for_or_trained_on() -> None:
    trained = {"pretrained_cfg": {"input_size": [3, 96, 128]}}
    config = PreTrainedConfig(model_type="timm_wrapper", **trained)
    assert image_size(config) == (96, 128)
    config.model_args = {"img_size": 32}
    assert image_size(config) == (32, 32)
