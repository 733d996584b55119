"""The order of experts: found, proved, nested, recovered; and refuted where it is none."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from transformers import (
    DeepseekV3Config,
    DeepseekV3ForCausalLM,
    MixtralConfig,
    MixtralForCausalLM,
    SwitchTransformersConfig,
    SwitchTransformersForConditionalGeneration,
)

from hubmerge.derivation.derive import Derived, derive
from hubmerge.derivation.experts import APART
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.models import shaken
from hubmerge.symmetry.laws import deviation, outputs
from hubmerge.symmetry.permutation import permute, random_permutation

CONFIG = MixtralConfig(
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    num_local_experts=4,
    vocab_size=37,
    max_position_embeddings=16,
    architectures=["MixtralForCausalLM"],
)
ROUTER, EXPERTS = "model.layers.0.mlp.gate.weight", "model.layers.0.mlp.experts."


@cache
def derived() -> Derived:
    return derive(CONFIG, MixtralForCausalLM)


def test_experts_go_with_the_rows_of_their_router() -> None:
    spec = derived().spec
    assert spec.spaces["model.layers.1.expert"].size == 4
    assert spec.spaces["model.layers.1.ff"].within == "model.layers.1.expert"
    assert {*spec.touched_by["model.layers.0.expert"]} == {
        ROUTER,
        f"{EXPERTS}gate_up_proj",
        f"{EXPERTS}down_proj",
    }
    assert "expert (ff + ff) resid" in derived().family.text


def test_experts_that_leave_their_router_move_the_outputs() -> None:
    model = shaken(MixtralForCausalLM(CONFIG)).double().eval()
    model.set_experts_implementation("eager")
    state, tokens = model.state_dict(), {"input_ids": torch.arange(12).reshape(2, 6)}
    reference = outputs(model, state, tokens)
    order = {"model.layers.0.expert": torch.tensor([1, 2, 3, 0])}
    moved = permute(derived().spec, state, order)
    assert deviation(reference, outputs(model, moved, tokens)) < 1e-12
    for name in (ROUTER, f"{EXPERTS}gate_up_proj", f"{EXPERTS}down_proj"):
        alone = outputs(model, {**state, name: moved[name]}, tokens)
        assert deviation(reference, alone) > 1e-3


def test_a_planted_order_of_experts_is_recovered() -> None:
    spec = derived().spec.permutations_only
    state = shaken(MixtralForCausalLM(CONFIG)).state_dict()
    other = permute(spec, state, random_permutation(spec, 3))
    found, _ = descend(spec, state, other)
    for name, value in permute(spec, other, found.permutation).items():
        assert torch.equal(value, state[name])


def test_a_router_that_chooses_groups_first_has_an_order_of_groups_and_one_in_each() -> None:
    config = DeepseekV3Config(
        hidden_size=16, intermediate_size=24, moe_intermediate_size=12, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=2, n_routed_experts=8, n_group=2, topk_group=1,
        num_experts_per_tok=2, first_k_dense_replace=0, q_lora_rank=10, kv_lora_rank=8,
        qk_rope_head_dim=4, qk_nope_head_dim=6, v_head_dim=6, vocab_size=37,
        max_position_embeddings=16, architectures=["DeepseekV3ForCausalLM"],
    )  # fmt: skip
    spec = derive(config, DeepseekV3ForCausalLM).spec
    assert spec.spaces["expert"].within == "group"
    assert (spec.free_spaces()["group"], spec.free_spaces()["expert"]) == (2, 4)
    bias = "model.layers.0.mlp.gate.e_score_correction_bias"
    assert bias in spec.touched_by["expert"]
    model = shaken(DeepseekV3ForCausalLM(config)).double().eval()
    model.set_experts_implementation("eager")
    tokens = {"input_ids": torch.arange(12).reshape(2, 6)}
    reference = outputs(model, model.state_dict(), tokens)
    crossed = torch.tensor([4, 1, 2, 3, 0, 5, 6, 7])  # one expert of each group changes places
    moved = {
        name: value[crossed] if name in spec.touched_by["expert"] else value
        for name, value in model.state_dict().items()
    }
    assert deviation(reference, outputs(model, moved, tokens)) > 1e-6


@pytest.mark.slow
def test_experts_that_are_modules_of_their_own_stay_in_order_and_the_file_says_why() -> None:
    config = SwitchTransformersConfig(
        d_model=16, d_kv=4, d_ff=24, num_layers=2, num_sparse_encoder_layers=1,
        num_decoder_layers=1, num_sparse_decoder_layers=1, num_heads=2, num_experts=4,
        vocab_size=37, architectures=["SwitchTransformersForConditionalGeneration"],
    )  # fmt: skip
    found = derive(config, SwitchTransformersForConditionalGeneration)
    assert found.pinned[APART] == 2
    assert APART in found.family.text
