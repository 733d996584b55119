"""Fields that another version of transformers writes or leaves out, and those that count."""

from __future__ import annotations

import json
from typing import Any

import pytest
from transformers import CLIPConfig, GenerationConfig, LlamaConfig, ViTConfig

from hubmerge.verification.defaults import default_fields

CONFIGS = [ViTConfig(), LlamaConfig(), CLIPConfig()]


def fields(config: Any, *, every: bool = False) -> dict[str, Any]:
    return json.loads(config.to_json_string(use_diff=not every))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.model_type)
def test_every_field_of_a_class_may_be_written(config: Any) -> None:
    few, all_of_them = fields(config), fields(config, every=True)
    there = default_fields("config.json", all_of_them, few)
    assert {*all_of_them} - {*few} <= {*there}
    assert default_fields("config.json", few, all_of_them) == there


def test_a_field_within_another() -> None:
    said = fields(CLIPConfig())
    said["text_config"] = {**said["text_config"], "output_attentions": False}
    assert default_fields("config.json", said, fields(CLIPConfig())) == [
        "text_config.output_attentions"
    ]


@pytest.mark.parametrize(
    "change",
    [
        {"vocab_size": 32_001},
        {"hidden_act": "relu"},
        {"output_attentions": True},
        {"output_attentions": 0},
        {"output_attentions": None},
        {"unknown": None},
        {"auto_map": None},
        {"transformers_weights": "other.safetensors"},
        {"rms_norm_eps": "1e-06"},
        {"num_hidden_layers": 10**9},
        {"model_type": "mistral"},
        {"model_type": ["llama"]},
        {"id2label": {"0": "LABEL_1", "1": "LABEL_0"}},
    ],
    ids=lambda change: str(change)[:40],
)
def test_no_other_value_is_explained(change: dict[str, Any]) -> None:
    found = fields(LlamaConfig())
    assert default_fields("config.json", {**found, **change}, found) == []
    # Not even beside what could be.
    assert (
        default_fields("config.json", {**found, **change, "is_encoder_decoder": False}, found) == []
    )


def test_what_is_left_out_has_to_be_the_default() -> None:
    found = fields(LlamaConfig(rms_norm_eps=1e-4, num_hidden_layers=32))
    for name, explained in (("rms_norm_eps", False), ("num_hidden_layers", True)):
        said = {field: value for field, value in found.items() if field != name}
        assert default_fields("config.json", said, found) == ([name] if explained else [])


def test_settings_of_generation() -> None:
    found = fields(GenerationConfig(eos_token_id=2))
    assert default_fields("generation_config.json", {**found, "top_k": None}, found) == ["top_k"]
    for change in ({"temperature": 0.1}, {"num_beams": 1}, {"custom_generate": "me/code"}):
        assert default_fields("generation_config.json", {**found, **change}, found) == []


def test_other_files_have_no_defaults() -> None:
    assert default_fields("tokenizer_config.json", {"a": None}, {}) == []
    assert default_fields("config.json", [], {}) == []
