"""The MLP head is a transformers model like any other: it round-trips, validates and classifies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    ViTImageProcessor,
)

import hubmerge.models
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification, shaken

ACTIVATIONS = {
    "relu": torch.nn.functional.relu,
    "gelu": torch.nn.functional.gelu,
    "tanh": torch.tanh,
    "silu": torch.nn.functional.silu,
}


def head(**given: object) -> MlpHeadForClassification:
    fields = {"input_size": 12, "hidden_sizes": [8, 6], "num_labels": 5} | given
    torch.manual_seed(0)
    return shaken(MlpHeadForClassification(MlpHeadConfig(**fields))).eval()


def features(rows: int = 4, size: int = 12) -> torch.Tensor:
    return torch.randn(rows, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("act", list(ACTIVATIONS))
def test_save_and_load_keep_every_tensor_and_the_function(
    tmp_path: Path, norm: str, act: str
) -> None:
    model = head(norm=norm, hidden_act=act)
    model.save_pretrained(tmp_path)

    saved = json.loads((tmp_path / "config.json").read_text())
    assert saved["architectures"] == ["MlpHeadForClassification"]
    assert saved["model_type"] == "mlp_head"
    assert saved["hidden_sizes"] == [8, 6]
    assert (tmp_path / "model.safetensors").is_file()
    for auto in (AutoModel, AutoModelForImageClassification, MlpHeadForClassification):
        loaded, info = auto.from_pretrained(tmp_path, output_loading_info=True)
        assert not any(info.values())
        assert type(loaded) is MlpHeadForClassification
        assert loaded.config.to_dict() == AutoConfig.from_pretrained(tmp_path).to_dict()
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, loaded.state_dict()[name]), name
        assert torch.equal(model(features()).logits, loaded(features()).logits)


@pytest.mark.parametrize("norm", ["none", "layer", "batch"])
@pytest.mark.parametrize("act", list(ACTIVATIONS))
def test_it_computes_what_its_tensors_say(norm: str, act: str) -> None:
    model = head(norm=norm, hidden_act=act)
    state, units = model.state_dict(), features()
    for i in range(2):
        at = f"layers.{i}."
        units = units @ state[at + "linear.weight"].T + state[at + "linear.bias"]
        if norm != "none":
            if norm == "layer":
                mean, variance = units.mean(1, keepdim=True), units.var(1, False, keepdim=True)
            else:
                mean, variance = state[at + "norm.running_mean"], state[at + "norm.running_var"]
            scaled = (units - mean) / (variance + 1e-5).sqrt()
            units = scaled * state[at + "norm.weight"] + state[at + "norm.bias"]
        units = ACTIVATIONS[act](units)
    expected = units @ state["classifier.weight"].T + state["classifier.bias"]
    torch.testing.assert_close(model(features()).logits, expected)


def test_the_names_are_those_the_spec_relies_on() -> None:
    inside = ["linear.weight", "linear.bias", "norm.weight", "norm.bias", "norm.running_mean"]
    inside += ["norm.running_var", "norm.num_batches_tracked"]
    names = {f"layers.{i}.{name}" for i in range(2) for name in inside}
    assert set(head(norm="batch").state_dict()) == names | {"classifier.weight", "classifier.bias"}


def test_layer_and_activation_both_show_units_after_the_activation() -> None:
    model, seen = head(norm="batch"), {}
    for name in ("layers.0", "layers.0.activation"):
        module = model.get_submodule(name)
        module.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out}))
    model(features())
    assert torch.equal(seen["layers.0"], seen["layers.0.activation"])
    assert seen["layers.0"].shape == (4, 8)
    assert (seen["layers.0"] >= 0).all()


def test_pixels_are_features_laid_flat(tmp_path: Path) -> None:
    model, pixels = head(), features().view(4, 3, 2, 2)
    assert torch.equal(model(pixel_values=pixels).logits, model(features()).logits)
    model.save_pretrained(tmp_path)
    ViTImageProcessor(do_resize=False, image_mean=[0.5] * 3, image_std=[0.5] * 3).save_pretrained(
        tmp_path
    )
    processor = AutoImageProcessor.from_pretrained(tmp_path)
    image = torch.arange(12, dtype=torch.uint8).view(2, 2, 3).numpy()
    seen = processor([image], return_tensors="pt")["pixel_values"]
    expected = torch.from_numpy(image).permute(2, 0, 1).reshape(1, 12) / 255 * 2 - 1
    torch.testing.assert_close(model(**{"pixel_values": seen}).logits, model(expected).logits)


def test_loss_is_cross_entropy_and_reaches_every_parameter() -> None:
    model, labels = head(norm="batch", dropout=0.2).train(), torch.tensor([0, 1, 2, 4])
    output = model(features(), labels=labels)
    picked = output.logits.log_softmax(1)[range(4), labels]
    torch.testing.assert_close(output.loss, -picked.mean())
    output.loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    loss, logits = model.eval()(features(), labels=labels, return_dict=False)
    assert logits.shape == (4, 5)
    assert loss.ndim == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"hidden_act": "swish"}, "hidden_act"),
        ({"norm": "group"}, "norm"),
        ({"hidden_sizes": []}, "at least one width"),
        ({"hidden_sizes": [8, 0]}, r"\[8, 0\]"),
        ({"hidden_sizes": ["8"]}, "hidden_sizes"),
        ({"input_size": 0}, "input_size=0"),
        ({"input_size": "12"}, "input_size"),
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"dropout": -0.1}, "dropout=-0.1"),
    ],
)
def test_wrong_configurations_are_refused_by_name(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(StrictDataclassError, match=said):
        MlpHeadConfig(**({"input_size": 12} | wrong))


def test_inputs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"has 10 values per example.*input_size=12"):
        head()(features(size=10))
    with pytest.raises(ValueError, match="one of the two"):
        head()()
    with pytest.raises(ValueError, match="one of the two"):
        head()(features(), pixel_values=features())


def test_loading_reports_keys_that_are_missing_unexpected_or_misshaped(tmp_path: Path) -> None:
    head().save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(file)

    def loading_info(changed: dict[str, torch.Tensor]) -> dict[str, object]:
        save_file(changed, file, metadata={"format": "pt"})
        return AutoModelForImageClassification.from_pretrained(
            tmp_path, output_loading_info=True, ignore_mismatched_sizes=True
        )[1]

    missing = {k: v for k, v in state.items() if k != "layers.1.linear.bias"}
    assert set(loading_info(missing)["missing_keys"]) == {"layers.1.linear.bias"}
    unexpected = loading_info(state | {"layers.2.linear.bias": torch.ones(6)})
    assert set(unexpected["unexpected_keys"]) == {"layers.2.linear.bias"}
    wide = loading_info(state | {"classifier.bias": torch.ones(6)})
    assert [key[0] for key in wide["mismatched_keys"]] == ["classifier.bias"]


def test_half_precision_weights_accept_float_inputs(tmp_path: Path) -> None:
    head(norm="layer").half().save_pretrained(tmp_path)
    model = AutoModelForImageClassification.from_pretrained(tmp_path)
    assert model.dtype == torch.float16
    assert model(features()).logits.dtype == torch.float16


def test_registering_again_changes_nothing() -> None:
    hubmerge.models.register()
    assert type(AutoModel.from_config(MlpHeadConfig())) is MlpHeadForClassification
