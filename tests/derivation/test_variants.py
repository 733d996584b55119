"""Variants of a reviewed type that its file does not describe."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    BertConfig,
    BertForTokenClassification,
    Olmo2Config,
    Olmo2ForCausalLM,
    PreTrainedModel,
)

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.errors import SpecError
from hubmerge.models import probe_inputs, shaken
from hubmerge.specs import derived
from hubmerge.specs.family import SPECS_VARIABLE, load_families
from hubmerge.symmetry.laws import prove, spec_of


@pytest.fixture
def variant() -> PreTrainedModel:
    """An OLMo 2 with biases, for which model_specs/olmo2.toml has no lines."""
    torch.manual_seed(0)
    config = Olmo2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=4, intermediate_size=24,
        vocab_size=31, pad_token_id=0, attention_bias=True,
        architectures=["Olmo2ForCausalLM"],
    )  # fmt: skip
    model: PreTrainedModel = shaken(Olmo2ForCausalLM(config).double().eval())
    return model


def test_a_spec_is_derived_where_the_reviewed_one_leaves_tensors_uncovered(
    variant: PreTrainedModel,
) -> None:
    record = ensure_spec(variant)
    assert record is not None
    assert record.refused is None
    spec = spec_of(variant)
    assert spec.family == "olmo2-Olmo2ForCausalLM"
    assert prove(variant, spec, probe_inputs(variant), elements=1).deviation < 1e-9


def test_a_file_of_the_users_own_is_not_passed_over(
    variant: PreTrainedModel, tmp_path, monkeypatch
) -> None:
    text = load_families().named("olmo2").text.replace('"olmo2"', '"olmo2_own"')
    (tmp_path / "own.toml").write_text(text)
    monkeypatch.setenv(SPECS_VARIABLE, str(tmp_path))
    variant.config.model_type = "olmo2_own"
    assert ensure_spec(variant) is None
    with pytest.raises(SpecError, match="uncovered"):
        spec_of(variant)


def test_only_what_these_versions_derived_is_listed(
    variant: PreTrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_spec(variant)
    assert "olmo2-Olmo2ForCausalLM" in [record.name for record in derived.all_records()]
    monkeypatch.setattr(derived, "DERIVATION", derived.DERIVATION + 1)
    assert "olmo2-Olmo2ForCausalLM" not in [record.name for record in derived.all_records()]


def test_a_model_in_memory_is_what_its_class_says() -> None:
    """Not what its configuration came from: a checkpoint is often fine-tuned under another head."""
    config = BertConfig(
        hidden_size=8, num_hidden_layers=1, num_attention_heads=2, intermediate_size=12,
        vocab_size=31, architectures=["BertForMaskedLM"],
    )  # fmt: skip
    model = BertForTokenClassification(config)
    assert "classifier.weight" in spec_of(model).tensors
    assert model.config.architectures == ["BertForMaskedLM"]

    class Own(BertForTokenClassification):
        pass

    config.architectures = ["BertForTokenClassification"]
    assert "classifier.weight" in spec_of(Own(config)).tensors
