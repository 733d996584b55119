"""The order of experts: found, proved, nested, recovered; and refuted where it is none."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import transformers
from transformers import AutoConfig, MixtralConfig, MixtralForCausalLM

from hubmerge.derivation.derive import Derived, derive
from hubmerge.matching.solvers.coordinate_descent import descend
from hubmerge.models import shaken
from hubmerge.specs.family import named
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


@pytest.mark.slow
def test_experts_that_are_chosen_by_groups_stay_in_order() -> None:
    kind = transformers.DeepseekV3ForCausalLM
    spec = derive(named(AutoConfig.for_model("deepseek_v3"), kind), kind).spec
    layouts = [layout for name, layout in spec.tensors.items() if name.endswith("gate_up_proj")]
    assert all(spec.spaces[layout.axes[0].name or ""].fixed for layout in layouts)
