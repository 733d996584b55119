"""Options that depend on the layer, the tensor or the model."""

from __future__ import annotations

import pytest
import torch

from hubmerge.errors import RecipeError
from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.varying import depths_of, place
from hubmerge.verification.recorded import in_order_of

NAMES = [f"model.layers.{n}.{part}.weight" for n in range(4) for part in ("mlp", "attn")]
NAMES += ["model.embed.weight", "model.norm.weight"]


def state(seed):
    torch.manual_seed(seed)
    return {name: torch.randn(6, 6, dtype=torch.float64) for name in NAMES}


A, B, BASE = state(0), state(1), state(2)


def made(fusion, options, weights=(0.5, 0.5), base=None):
    given = Given(base=base, options=options)
    return find_fusion(fusion).of_one_tensor([A, B], weights, given).state


def share_of_b(merged, name):
    change = (B[name] - A[name]).flatten()
    return float(((merged[name] - A[name]).flatten() @ change) / (change @ change))


def test_a_gradient_runs_from_the_first_layer_to_the_last_and_begins_outside_them():
    merged = made("average", {"weight/A": (1.0, 0.5, 0.0), "weight/B": (0.0, 0.5, 1.0)})
    shares = [share_of_b(merged, f"model.layers.{n}.mlp.weight") for n in range(4)]
    assert shares == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert share_of_b(merged, "model.norm.weight") == pytest.approx(0)


def test_narrow_rules_count_before_wide_ones_and_the_first_of_two():
    options = {"weight@layers.1.mlp": 1, "weight/B@mlp": 3, "weight": 1, "weight/B@layers.1": 9}
    merged = made("average", options)
    found = {name: round(share_of_b(merged, name), 9) for name in NAMES}
    assert {found[name] for name in NAMES if "mlp" in name} == {0.75}
    assert found["model.layers.1.attn.weight"] == 0.9
    assert found["model.layers.2.attn.weight"] == 0.5


def test_tensors_and_models_may_have_densities_of_their_own():
    options = {"density@mlp": 0.25, "density/B": 0.5, "density": 1.0}
    merged = made("ties", options, base=BASE)
    for name in NAMES:
        own = 0.25 if "mlp" in name else 1.0
        alone = made("ties", {"density/A": own, "density/B": 0.5}, base=BASE)
        assert torch.equal(merged[name], alone[name])
    whole = made("ties", {"density": 1.0}, base=BASE)
    assert not torch.equal(merged[NAMES[0]], whole[NAMES[0]])


def test_weights_of_task_vectors_need_not_sum_to_1():
    merged = made("task-arithmetic", {"weight/A": 2, "weight/B": -0.5}, base=BASE)
    for name in NAMES:
        wanted = BASE[name] + 2 * (A[name] - BASE[name]) - 0.5 * (B[name] - BASE[name])
        torch.testing.assert_close(merged[name], wanted)
    divided = {"weight/A": 3, "weight/B": 1, "normalize": True}
    plain = made("task-arithmetic", {}, weights=(0.75, 0.25), base=BASE)
    torch.testing.assert_close(made("task-arithmetic", divided, base=BASE), plain)


def test_options_that_do_not_vary_give_the_same_bits():
    plain = made("ties", {"density": 0.4}, base=BASE)
    varied = made("ties", {"density": (0.4, 0.4), "density@head": 0.9}, base=BASE)
    for name in NAMES:
        assert torch.equal(plain[name], varied[name])


@pytest.mark.parametrize(
    ("fusion", "options", "said"),
    [
        ("ties", {"densty@mlp": 0.3}, "density"),
        ("ties", {"density@mlp": 1.5}, "at most 1"),
        ("ties", {"density": (0.3, 2.0)}, "at most 1"),
        ("ties", {"density/C": 0.3}, "A to B"),
        ("ties", {"scale/B": 0.3}, "one for all models"),
        ("nearswap", {"weight": 1}, "no option"),
        ("ties", {"normalize": (0.0, 1.0)}, "true or false"),
        ("average", {"weight/A": 1, "weight/B@mlp": 1}, "says nothing of B"),
        ("average", {"weight": 0}, "add up to 0"),
    ],
)
def test_what_does_not_fit_is_refused(fusion, options, said):
    base = BASE if find_fusion(fusion).needs_base else None
    with pytest.raises(RecipeError, match=said):
        made(fusion, options, base=base)


def test_what_looks_at_whole_models_takes_one_value():
    with pytest.raises(RecipeError, match="whole models"):
        find_fusion("greedy-soup").settings({"metric@mlp": "loss"}, 2)


def test_rules_read_back_from_a_report_are_in_the_order_they_were_given():
    given = {"density@q": 0.1, "density@attn": 0.9, "density": 1.0}
    reported = dict(sorted({**given, "scale": 1.0}.items()))
    back = in_order_of(given, reported)
    assert list(back) == ["density@q", "density@attn", "density", "scale"]
    assert back == reported


def test_layers_are_counted_where_they_are():
    depths = depths_of([*NAMES, "vision.blocks.0.weight", "vision.blocks.1.weight"])
    assert depths == {"model.layers": 4, "vision.blocks": 2}
    assert place("vision.blocks.1.weight", depths) == 1.0
