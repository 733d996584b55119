"""Fusions against what can be worked out by hand: numbers of an independent closed form."""

from __future__ import annotations

import copy
import math
from functools import cache

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from hubmerge.errors import RecipeError
from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.methods.fisher import FLOOR, _labels, information
from hubmerge.fuse.methods.slerp import coefficients
from hubmerge.fuse.methods.swad import window
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import ProbeBatch, generic, probe, probe_batches

ROWS = 40


def mlp(seed, **changes):
    config = MlpHeadConfig(
        **{"input_size": 6, "hidden_sizes": [5], "num_labels": 3, "hidden_act": "tanh", **changes}
    )
    torch.manual_seed(seed)
    return MlpHeadForClassification(config).double().eval()


def context(model, x=None):
    batches = NoBatches() if x is None else [ProbeBatch({"features": r}) for r in x.split(15)]
    return MethodContext(None, copy.deepcopy(model), batches, Workers(threads=1))


def made(method, states, weights=None, bench_=None, base=None, seed=0, **options):
    work = bench_ or idle()
    weights = weights or [1 / len(states)] * len(states)
    return find_fusion(method).make(states, weights, work, Given(base, seed, options))


@cache
def idle():
    """For fusions that run nothing."""
    return context(mlp(0))


def inputs(seed=5):
    return torch.randn(ROWS, 6, generator=torch.Generator().manual_seed(seed)).double() + 1


def test_regmean_is_the_regression_to_all_parents_on_their_own_inputs():
    models, weights, ridge, x = [mlp(1), mlp(2), mlp(3)], [0.2, 0.5, 0.3], 0.05, inputs()
    states = [model.state_dict() for model in models]
    found = made("regmean", states, weights, context(models[0], x), ridge=ridge).state
    hidden = [
        torch.tanh(x @ s["layers.0.linear.weight"].T + s["layers.0.linear.bias"]) for s in states
    ]
    for layer, given in (("layers.0.linear", [x] * 3), ("classifier", hidden)):
        own = [state[f"{layer}.weight"].numpy() for state in states]
        mean = sum(w * each for w, each in zip(weights, own, strict=True))
        squares = sum(
            w * (r**2).mean(0).numpy() for w, r in zip(weights, given, strict=True)
        ).mean()
        left = [math.sqrt(w / ROWS) * r.numpy() for w, r in zip(weights, given, strict=True)]
        right = [part @ each.T for part, each in zip(left, own, strict=True)]
        pull = math.sqrt(ridge * squares)
        left, right = [*left, pull * np.eye(mean.shape[1])], [*right, pull * mean.T]
        wanted = np.linalg.lstsq(np.concatenate(left), np.concatenate(right), rcond=None)[0].T
        assert_close(found[f"{layer}.weight"].numpy(), wanted)
        bias = sum(w * s[f"{layer}.bias"] for w, s in zip(weights, states, strict=True))
        assert_close(found[f"{layer}.bias"], bias)


def test_regmean_of_a_convolution_is_that_of_its_patches():
    models = [copy.deepcopy(generic("resnet-basic", seed)) for seed in (0, 1)]
    batches = probe_batches(models[0], rows=10, count=2)
    work = MethodContext(None, copy.deepcopy(models[0]), batches, Workers(threads=1))
    found = made("regmean", [m.state_dict() for m in models], [0.4, 0.6], work, ridge=1e-9).state
    block = "resnet.encoder.stages.0.layers.1.layer.0.convolution"
    left, right = [], []
    for weight, model in zip([0.4, 0.6], models, strict=True):
        seen = []
        handle = model.get_submodule(block).register_forward_pre_hook(
            lambda _, given, kept=seen: kept.append(given[0])
        )
        with torch.no_grad():
            for batch in batches:
                model(**batch.inputs)
        handle.remove()
        patches = F.unfold(torch.cat(seen), 3, padding=1).transpose(1, 2).flatten(0, 1)
        own = model.get_submodule(block).weight.detach().flatten(1)
        left.append(math.sqrt(weight) * patches)
        right.append(left[-1] @ own.T)
    wanted = torch.linalg.lstsq(torch.cat(left), torch.cat(right)).solution.T
    assert_close(found[f"{block}.weight"].flatten(1), wanted, rtol=1e-4, atol=1e-5)


def test_fisher_information_of_a_softmax_layer_is_its_closed_form():
    """Of class k and input j: the mean of p_k (1 - p_k) h_j^2."""
    model, x = mlp(1), inputs()
    found = information(model.state_dict(), context(model, x))
    with torch.no_grad():
        hidden = torch.tanh(model.layers[0].linear(x))
        chances = model(x).logits.softmax(-1)
    spread = chances * (1 - chances)
    assert_close(found["classifier.bias"], spread.mean(0))
    assert_close(found["classifier.weight"], spread.T @ hidden.square() / ROWS)


def test_fisher_information_is_that_of_every_example_by_itself():
    """Gradients one by one, by autograd, for every class."""
    model, x = mlp(2), inputs()[:6]
    found = information(model.state_dict(), context(model, x))
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row in x:
        chances = model(row[None]).logits.softmax(-1)[0].detach()
        for label, chance in enumerate(chances):
            model.zero_grad()
            model(row[None]).logits.log_softmax(-1)[0, label].backward()
            for name, parameter in model.named_parameters():
                total[name] += chance * parameter.grad.square() / len(x)
    for name, value in total.items():
        assert_close(found[name], value)


@pytest.mark.parametrize("name", ["gpt2", "llama-tied-bias"])
def test_fisher_information_of_a_text_is_that_of_all_its_tokens(name):
    """Gradients one by one, by autograd, of the whole text that was drawn."""
    model = copy.deepcopy(generic(name)).eval()
    batch = ProbeBatch(probe(model, 3))
    given = MethodContext(spec_of(model), copy.deepcopy(model), [batch], Workers(threads=1))
    found = information(model.state_dict(), given, draws=2, seed=4)
    chances = model(**batch.inputs).logits.softmax(-1).detach()
    labels, _ = _labels(chances, 2, "4:0")
    total = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for row, drawn in zip(batch.inputs["input_ids"], labels, strict=True):
        for label in drawn:
            model.zero_grad()
            said = model(input_ids=row[None]).logits.log_softmax(-1)[0]
            said.gather(1, label[:, None]).sum().backward()
            for name, parameter in model.named_parameters():
                total[name] += parameter.grad.square() / 6
    for name, value in total.items():
        assert_close(found[name], value, rtol=1e-3, atol=1e-6 * float(value.max()))


@pytest.mark.parametrize("name", ["vit", "gpt2"])
def test_fisher_information_is_the_same_on_any_number_of_threads(name):
    model = copy.deepcopy(generic(name)).float()
    spec, rows = spec_of(model), probe_batches(model, 8, 6, torch.float32)
    benches = [MethodContext(spec, copy.deepcopy(model), rows, Workers(threads=n)) for n in (1, 2)]
    one, two = (information(model.state_dict(), each, draws=1) for each in benches)
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_drawn_labels_give_the_same_information_on_average():
    model, x = mlp(2), inputs()[:4]
    exact = information(model.state_dict(), context(model, x))
    drawn = information(model.state_dict(), context(model, x), draws=4000, seed=1)
    for name, value in exact.items():
        assert_close(drawn[name], value, rtol=0.15, atol=0.02 * float(value.max()))


def test_fisher_weighs_every_number_by_its_information():
    models, weights, x = [mlp(1), mlp(2)], [0.25, 0.75], inputs()
    states = [model.state_dict() for model in models]
    found = made("fisher", states, weights, context(models[0], x), draws=0).state
    own = [information(state, context(models[0], x)) for state in states]
    numbers = torch.cat([value.flatten() for each in own for value in each.values()])
    least = FLOOR * numbers.mean()
    for name in own[0]:
        counts = [w * (each[name] + least) for w, each in zip(weights, own, strict=True)]
        wanted = sum(c * s[name] for c, s in zip(counts, states, strict=True)) / sum(counts)
        assert_close(found[name], wanted)


def test_slerp_of_two_is_the_formula():
    a, b = torch.randn(2, 7, generator=torch.Generator().manual_seed(1)).double()
    angle = torch.acos((a @ b) / (a.norm() * b.norm()))
    for t in (0.1, 0.5, 0.8):
        wanted = torch.sin((1 - t) * angle) * a + torch.sin(t * angle) * b
        found = made("slerp", [{"w": a}, {"w": b}], [1 - t, t]).state["w"]
        assert_close(found, wanted / torch.sin(angle))


def test_the_mean_of_several_on_a_sphere_is_as_far_from_where_they_pull():
    """Of orthogonal ones the corner between them; else where all pulls along the sphere cancel."""
    corner = coefficients(torch.eye(3).double(), torch.full((3,), 1 / 3).double())
    assert_close(torch.tensor(corner), torch.full((3,), 3**-0.5))
    rows = F.normalize(torch.randn(4, 6, generator=torch.Generator().manual_seed(2)).double())
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4]).double()
    mean = torch.tensor(coefficients(rows, shares), dtype=torch.float64) @ rows
    assert_close(mean.norm(), torch.ones(()).double())
    angles = torch.acos(rows @ mean)
    pulls = (rows - torch.outer(torch.cos(angles), mean)) / torch.sin(angles)[:, None]
    assert_close((shares * angles) @ pulls, torch.zeros(6).double(), atol=1e-9, rtol=0)


def test_model_stock_stops_at_the_foot_of_the_perpendicular():
    """Two offsets of one length at 60 degrees: t = 2 cos / (1 + cos) = 2/3."""
    base = {"w": torch.tensor([1.0, 1.0])}
    offsets = [torch.tensor([1.0, 0.0]), torch.tensor([0.5, 3**0.5 / 2])]
    states = [{"w": base["w"] + offset} for offset in offsets]
    found = made("model-stock", states, base=base).state["w"]
    assert_close(found, base["w"] + 2 / 3 * (offsets[0] + offsets[1]) / 2)


def test_ties_trims_elects_and_means():
    base = {"w": torch.zeros(4)}
    states = [{"w": torch.tensor(row)} for row in ([3.0, 0.1, -2.0, 0.2], [1.0, 0.1, 4.0, -0.3])]
    found = made("ties", states, base=base, density=0.5).state["w"]
    assert_close(found, torch.tensor([2.0, 0.0, 4.0, 0.0]))


def test_dare_keeps_its_share_and_the_expected_change():
    base, state = {"w": torch.zeros(20_000)}, {"w": torch.ones(20_000)}
    found = made("dare", [state, state], base=base, density=0.25).state["w"]
    assert set(found.unique().tolist()) == {0.0, 2.0, 4.0}
    assert float(found.mean()) == pytest.approx(1, abs=0.03)
    assert not torch.equal(
        found, made("dare", [state] * 2, base=base, density=0.25, seed=1).state["w"]
    )


def test_breadcrumbs_drop_both_ends():
    base, state = {"w": torch.zeros(10)}, {"w": torch.arange(1.0, 11.0)}
    found = made("breadcrumbs", [state], base=base, density=0.5, outliers=0.2).state["w"]
    assert found.tolist() == [0, 0, 0, 4, 5, 6, 7, 8, 0, 0]


def run(count):
    return [{"w": torch.tensor([float(n)])} for n in range(count)]


@pytest.mark.parametrize(
    ("method", "options", "weights"),
    [
        ("swa", {}, [1 / 6] * 6),
        ("swa", {"start": 2, "every": 2}, [0, 0, 0, 1 / 2, 0, 1 / 2]),
        ("lawa", {"last": 2}, [0, 0, 0, 0, 1 / 2, 1 / 2]),
        ("lawa", {"last": 9}, [1 / 6] * 6),
        ("ema", {"decay": 0.5}, [1 / 32, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2]),
        ("ema", {"decay": 0.0}, [0, 0, 0, 0, 0, 1]),
        ("hierarchical", {"runs": "4+2", "last": 3}, [0, 1 / 6, 1 / 6, 1 / 6, 1 / 4, 1 / 4]),
    ],
)
def test_what_each_checkpoint_of_a_run_weighs(method, options, weights):
    found = made(method, run(6), **options)
    assert found.weights == pytest.approx(weights)
    assert float(found.state["w"]) == pytest.approx(sum(n * w for n, w in enumerate(weights)))


@pytest.mark.parametrize(
    ("method", "options"),
    [("swa", {"start": 6}), ("hierarchical", {"runs": "4+3"}), ("hierarchical", {"runs": "a"})],
)
def test_runs_that_do_not_come_out_are_refused(method, options):
    with pytest.raises(RecipeError, match=next(iter(options))):
        made(method, run(6), **options)


def test_swag_draws_from_the_gaussian_it_describes():
    """Mean and covariance of many draws: half diagonal, half from the deviations so far."""
    values = torch.randn(5, 3, generator=torch.Generator().manual_seed(3)).double()
    states = [{"w": value} for value in values]
    draws = torch.stack(
        [made("swag", states, seed=seed, rank=3).state["w"] for seed in range(3000)]
    )
    so_far = torch.stack([values[: n + 1].mean(0) for n in range(5)])
    columns = (values - so_far)[-3:]
    wanted = (values.var(0, correction=0).diag() + columns.T @ columns / 2) / 2
    assert_close(draws.mean(0), values.mean(0), atol=0.06, rtol=0)
    assert_close(draws.T.cov(), wanted, atol=0.08, rtol=0.1)
    assert_close(made("swag", states, scale=0.0).state["w"], values.mean(0))


@pytest.mark.parametrize(
    ("losses", "found"),
    [
        ([5, 3, 2, 2.1, 2.05, 2.2, 9, 9, 9], (2, 6)),
        ([5, 4, 3, 2, 1], (4, 5)),
        ([1, 2, 3, 4, 5, 6, 7, 8], (0, 2)),
        ([2, 2, 2], (0, 3)),
    ],
)
def test_the_window_of_swad_opens_where_loss_settles_and_closes_where_it_rises(losses, found):
    assert window(losses, patience=3, overfit=2, tolerance=1.3) == found
