"""Variants of a reviewed type that its file does not describe."""

from __future__ import annotations

import pytest
import torch
from transformers import Olmo2Config, Olmo2ForCausalLM, PreTrainedModel

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.errors import SpecError
from hubmerge.models import probe_inputs, shaken
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
