"""Laws of layer-wise least squares, on tiny models of every family."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hubmerge.demo.digits import digits
from hubmerge.demo.train import PARENT_CONFIGS, accuracy, pixels, train
from hubmerge.errors import RecipeError
from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.layerwise import normal_equations as equations
from hubmerge.fuse.layerwise import refit, rows, settled, targets, trace
from hubmerge.fuse.layerwise.settled import SettledModules
from hubmerge.fuse.layerwise.tied_norm import tied_head
from hubmerge.fuse.methods.average import average
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.models.method_context import MethodContext
from hubmerge.models.states import holds
from hubmerge.repair import batch_norms, find_repair
from hubmerge.repair.statistics import channel_statistics
from hubmerge.symmetry.laws import deviation, outputs
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, ProbeBatch, generic, probe, probe_batches

every_model = pytest.mark.parametrize("name", TINY)
fuse = find_fusion("least-squares").fuse


def context(model, batches, threads=1):
    return MethodContext(None, copy.deepcopy(model), batches, Workers(threads=threads))


def pair(name, dtype=torch.float64):
    return [copy.deepcopy(generic(name, seed)).to(dtype) for seed in (0, 1)]


def cut(batches, size):
    """The same rows in batches of `size`."""
    (key,) = batches[0].inputs
    return [ProbeBatch({key: r}) for r in torch.cat([b.inputs[key] for b in batches]).split(size)]


def same(left, right):
    return all(torch.equal(left[name], right[name]) for name in left)


@every_model
def test_a_model_merged_with_itself_is_the_same_function(name):
    model = generic(name)
    state = model.state_dict()
    fused = fuse([state, state], [0.5, 0.5], context(model, probe_batches(model)))
    inputs = probe(model, rows=4, seed=9)
    assert deviation(outputs(model, state, inputs), outputs(model, fused, inputs)) < 1e-9
    if not batch_norms(model):
        for tensor, value in state.items():
            assert_close(fused[tensor], value)


@every_model
def test_the_ends_are_the_parents_to_the_bit(name):
    a, b = pair(name, torch.float32)
    floats = [t for t, value in a.state_dict().items() if value.is_floating_point()]
    for weights, end in (([1.0, 0.0], a), ([0.0, 1.0], b)):
        found = fuse([a.state_dict(), b.state_dict()], weights, context(a, NoBatches()))
        assert all(torch.equal(found[t], end.state_dict()[t]) for t in floats)


@every_model
def test_it_comes_closer_to_the_parents_mean_than_the_average_does(name):
    """On images it has not seen, for two strangers and at any weight."""
    a, b = pair(name)
    states, weights = [a.state_dict(), b.state_dict()], [0.3, 0.7]
    work = context(a, probe_batches(a, rows=50, count=4))
    fused, averaged = fuse(states, weights, work), average(states, weights)
    averaged = repaired(work, averaged)
    inputs = probe(a, rows=100, seed=77)
    logits = [outputs(a, state, inputs) for state in (*states, fused, averaged)]
    wanted = weights[0] * logits[0] + weights[1] * logits[1]
    share = 0.5 if getattr(a.config, "tie_word_embeddings", False) and is_language(a) else 1.0
    assert (logits[2] - wanted).square().mean() < share * (logits[3] - wanted).square().mean()


def is_language(model):
    """Whether it predicts tokens."""
    return hasattr(model.config, "vocab_size")


@every_model
def test_a_head_that_is_an_embedding_is_found_with_its_norm(name):
    model = generic(name)
    tied = is_language(model) and model.config.tie_word_embeddings
    found = tied_head(model, probe(model))
    assert (found is not None) == tied
    if found is not None:
        assert found.head == "lm_head"
        assert f"{found.norm}.weight" in model.state_dict()
        assert found.biased == (f"{found.norm}.bias" in model.state_dict())


@pytest.mark.parametrize("name", ["gpt2", "llama-tied-bias"])
def test_no_other_gain_or_bias_before_a_tied_head_comes_closer(name):
    """On the rows it was fitted to, in as many batches as these are cut into; but for the ridge."""
    a, b = pair(name)
    states, batches = [a.state_dict(), b.state_dict()], probe_batches(a, rows=20, count=3)
    fused = fuse(states, [0.5, 0.5], context(a, batches))
    norm = tied_head(a, probe(a)).norm
    inputs = {key: torch.cat([b.inputs[key] for b in batches]) for key in batches[0].inputs}
    wanted = sum(outputs(a, state, inputs) for state in states) / 2

    def error(state):
        return float((outputs(a, state, inputs) - wanted).square().mean())

    least = error(fused)
    generator = torch.Generator().manual_seed(0)
    for tensor in (f"{norm}.weight", f"{norm}.bias"):
        for size in (0.03, 0.3) if tensor in fused else ():
            drawn = torch.randn(fused[tensor].shape, generator=generator, dtype=torch.float64)
            assert error({**fused, tensor: fused[tensor] + size * drawn}) > least


def repaired(work, state):
    """With running statistics of its own, where there are any."""
    if not batch_norms(work.scratch):
        return state
    return find_repair("batchnorm").function(work, [state, state])(state, [0.5, 0.5])


@pytest.mark.parametrize("name", ["vit", "resnet-bottleneck", "mlp_head-batch"])
def test_boundaries_of_batches_threads_and_what_is_kept_change_nothing(name, monkeypatch):
    a, b = pair(name)
    states, batches = [a.state_dict(), b.state_dict()], probe_batches(a, rows=10, count=3)
    kept = fuse(states, [0.5, 0.5], context(a, batches))
    assert same(kept, fuse(states, [0.5, 0.5], context(a, batches, threads=2)))
    for size in (30, 4):
        other = fuse(states, [0.5, 0.5], context(a, cut(batches, size)))
        for tensor, value in kept.items():
            assert_close(other[tensor], value, rtol=1e-6, atol=1e-7)
    monkeypatch.setattr(targets, "KEPT_BYTES", 0)
    assert same(kept, fuse(states, [0.5, 0.5], context(a, batches)))
    monkeypatch.setattr(settled, "SETTLED_BYTES", 0)
    assert same(kept, fuse(states, [0.5, 0.5], context(a, batches)))
    monkeypatch.setattr(rows, "CHUNK_BYTES", 1)
    for tensor, value in fuse(states, [0.5, 0.5], context(a, batches)).items():
        assert_close(kept[tensor], value, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["llama-tied-bias", "vit"])
@pytest.mark.parametrize("spare", [0, 20_000, 200_000])
def test_no_limit_of_memory_changes_a_byte(name, spare, monkeypatch):
    a, b = pair(name, torch.float32)
    states, batches = [a.state_dict(), b.state_dict()], probe_batches(a, rows=10, count=3)
    free = context(a, batches)
    most, tight = [], context(a, batches)
    model = sum(value.nbytes for value in states[0].values())
    tight.workers.memory = (2 + refit.BESIDE) * model + 2 * spare
    reused = SettledModules.reused

    def watched(own, unfitted):
        most.append(own._bytes)
        return reused(own, unfitted)

    expected = fuse(states, [0.5, 0.5], free)
    monkeypatch.setattr(SettledModules, "reused", watched)
    assert same(expected, fuse(states, [0.5, 0.5], tight))
    assert max(most) <= spare
    assert (max(most) > 0) == (spare > 0)


def test_parents_are_not_copied():
    a, b = pair("vit", torch.float32)
    state = {tensor: value.clone() for tensor, value in b.state_dict().items()}
    holder = refit._holding(a, state)
    assert holds(holder, state)
    assert not holds(a, state)
    assert torch.equal(holder(**probe(a)).logits, b(**probe(a)).logits)


@pytest.mark.parametrize("name", ["resnet-basic-widening", "resnet-bottleneck", "mlp_head-batch"])
def test_running_statistics_are_those_of_the_merged_model(name):
    a, b = pair(name)
    work = context(a, probe_batches(a, rows=12))
    fused = fuse([a.state_dict(), b.state_dict()], [0.5, 0.5], work)
    found = channel_statistics(work, fused, batch_norms(a), look_at_input=True)
    assert found
    for norm, statistics in found.items():
        assert_close(fused[f"{norm}.running_mean"], statistics.mean)
        assert_close(fused[f"{norm}.running_var"], statistics.variance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_tensors_keep_name_shape_and_type_and_a_stock_model_loads_them(dtype, tmp_path):
    for name in ("vit-deep-no-qkv-bias", "resnet-basic"):
        a, b = pair(name, dtype)
        batches = probe_batches(a, dtype=dtype)
        fused = fuse([a.state_dict(), b.state_dict()], [0.5, 0.5], context(a, batches))
        assert {t: (v.dtype, v.shape) for t, v in fused.items()} == {
            t: (v.dtype, v.shape) for t, v in a.state_dict().items()
        }
        a.load_state_dict(fused)
        a.save_pretrained(tmp_path / name)
        back, found = type(a).from_pretrained(tmp_path / name, output_loading_info=True)
        assert not any(found[kind] for kind in ("missing_keys", "unexpected_keys"))
        inputs = probe(a, dtype=dtype)
        assert_close(back.eval()(**inputs).logits, a(**inputs).logits)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_is_the_closed_form_numpy_gives(activation, monkeypatch):
    """Two layers, one after the other, each on what the merged model itself feeds it.

    Before a ReLU the target is what it turns into the mean of what the parents' ReLUs give.
    """
    act = {"tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}[activation]
    ridge = 0.03
    monkeypatch.setattr(equations, "RIDGES", (ridge,))
    config = MlpHeadConfig(input_size=6, hidden_sizes=[5], hidden_act=activation, num_labels=3)
    models = [MlpHeadForClassification(config).double().eval() for _ in range(2)]
    a, b = (model.state_dict() for model in models)
    x = torch.randn(40, 6).double() + 1
    work = context(models[0], cut([ProbeBatch({"features": x})], 15))
    found = fuse([a, b], [0.25, 0.75], work)

    def affine(state, layer, rows):
        return rows @ state[f"{layer}.weight"].numpy().T + state[f"{layer}.bias"].numpy()

    theirs, ours = [x.numpy(), x.numpy()], x.numpy()
    for layer in ("layers.0.linear", "classifier"):
        theirs = [affine(state, layer, r) for state, r in zip((a, b), theirs, strict=True)]
        wanted = 0.25 * theirs[0] + 0.75 * theirs[1]
        if activation == "relu" and layer != "classifier":
            fired = 0.25 * act(theirs[0]) + 0.75 * act(theirs[1])
            assert ((fired > 0) & (wanted < 0)).any()
            wanted = np.where(fired > 0, fired, wanted)
        prior = 0.25 * a[f"{layer}.weight"].numpy() + 0.75 * b[f"{layer}.weight"].numpy()
        centred = ours - ours.mean(0)
        weight = np.sqrt(ridge * centred.var(0).mean() * len(ours)) * np.eye(centred.shape[1])
        left = np.concatenate([centred, weight])
        right = np.concatenate([wanted - wanted.mean(0), weight @ prior.T])
        solved = np.linalg.lstsq(left, right, rcond=None)[0].T
        bias = wanted.mean(0) - solved @ ours.mean(0)
        assert_close(found[f"{layer}.weight"].numpy(), solved)
        assert_close(found[f"{layer}.bias"].numpy(), bias)
        theirs = [act(each) for each in theirs]
        ours = act(ours @ solved.T + bias)


def rectifiable(a, b):
    """What a ReLU turns into the mean of two rectified values; their mean where both are silent."""
    fired = (a.relu() + b.relu()) / 2
    return torch.where(fired > 0, fired, (a + b) / 2)


def test_layers_fitted_together_are_one_regression(monkeypatch):
    """Shortcut and last convolution of a block, against numpy on their inputs side by side."""
    monkeypatch.setattr(equations, "RIDGES", (1e-9,))
    a, b = pair("resnet-basic-widening")
    work = context(a, probe_batches(a, rows=90, count=2))
    fused = fuse([a.state_dict(), b.state_dict()], [0.5, 0.5], work)
    block = "resnet.encoder.stages.2.layers.0"
    inputs = {k: torch.cat([x.inputs[k] for x in work.batches]) for k in work.batches[0].inputs}
    seen = [{} for _ in range(3)]
    for state, values in zip((a.state_dict(), b.state_dict(), fused), seen, strict=True):
        model = copy.deepcopy(a)
        model.load_state_dict(state)
        part = model.get_submodule(block)
        part.layer[1].convolution.register_forward_pre_hook(
            lambda _, x, v=values: v.update(last=x[0])
        )
        part.shortcut.convolution.register_forward_pre_hook(
            lambda _, x, v=values: v.update(cut=x[0])
        )
        part.activation.register_forward_pre_hook(lambda _, x, v=values: v.update(sum=x[0].clone()))
        with torch.no_grad():
            model(**inputs)
    mean, merged = rectifiable(seen[0]["sum"], seen[1]["sum"]), seen[2]
    patches = nn.functional.unfold(merged["last"], 3, padding=1).transpose(1, 2)
    stride = a.get_submodule(block).shortcut.convolution.stride
    short = nn.functional.unfold(merged["cut"], 1, stride=stride).transpose(1, 2)
    rows = torch.cat([patches, short], -1).flatten(0, 1)
    rows = torch.cat([rows, torch.ones(len(rows), 1).double()], 1).numpy()
    wanted, found = (
        v.flatten(2).transpose(1, 2).flatten(0, 1).numpy() for v in (mean, merged["sum"])
    )
    best = rows @ np.linalg.lstsq(rows, wanted, rcond=None)[0]
    assert_close(((found - wanted) ** 2).sum(), ((best - wanted) ** 2).sum(), rtol=1e-4, atol=0)


def test_it_beats_the_average_on_trained_strangers():
    """Small networks of two seeds, nothing matched: right answers on digits none of them saw."""
    course, splits = PARENT_CONFIGS[0], digits(test=500, validation=0)
    models = [train(course, seed, splits["train"], epochs=6) for seed in (1, 2)]
    images, _ = pixels(course, splits["train"].select(range(400)))
    batches = cut([ProbeBatch({"pixel_values": images})], 100)
    states = [model.state_dict() for model in models]
    scores = [accuracy(course, model, splits["test"]) for model in models]
    for state in (
        average(states, [0.5, 0.5]),
        fuse(states, [0.5, 0.5], context(models[0], batches)),
    ):
        models[0].load_state_dict(state)
        scores.append(accuracy(course, models[0], splits["test"]))
    *parents, averaged, fused = scores
    assert min(parents) - 0.05 < fused
    assert averaged + 0.02 < fused


def test_tensors_with_several_uses_stay_averaged_and_tied():
    config = MlpHeadConfig(input_size=6, hidden_sizes=[6, 6], num_labels=3)
    models = [MlpHeadForClassification(config).double().eval() for _ in range(2)]
    for model in models:
        model.layers[1].linear.weight = model.layers[0].linear.weight
    states = [model.state_dict() for model in models]
    fused = fuse(states, [0.5, 0.5], context(models[0], probe_batches(models[0])))
    first, second = (f"layers.{i}.linear.weight" for i in (0, 1))
    assert torch.equal(fused[first], fused[second])
    assert torch.equal(fused[first], average(states, [0.5, 0.5])[first])
    assert not torch.equal(
        fused["classifier.weight"], average(states, [0.5] * 2)["classifier.weight"]
    )


def test_three_models_can_be_fused():
    models = [generic("mlp_head-none", seed) for seed in (0, 1, 2)]
    states = [model.state_dict() for model in models]
    work = context(models[0], probe_batches(models[0], rows=60))
    fused = fuse(states, [0.2, 0.3, 0.5], work)
    inputs = probe(models[0], rows=50, seed=5)
    made = [
        outputs(models[0], s, inputs) for s in (*states, fused, average(states, [0.2, 0.3, 0.5]))
    ]
    wanted = 0.2 * made[0] + 0.3 * made[1] + 0.5 * made[2]
    assert (made[3] - wanted).norm() < (made[4] - wanted).norm()


def test_without_images_it_is_refused():
    a, b = pair("mlp_head-none")
    with pytest.raises(RecipeError, match="needs calibration rows"):
        fuse([a.state_dict(), b.state_dict()], [0.5, 0.5], context(a, NoBatches()))


def test_the_registry_says_what_needs_data_and_what_lies_on_the_path():
    assert (find_fusion("average").needs, find_fusion("average").linear) == ("data-free", True)
    found = find_fusion("least-squares")
    assert (found.needs, found.linear, found.sets_statistics) == ("label-free", False, True)


late = find_fusion("late-least-squares")


@every_model
def test_the_first_layers_are_those_of_the_first_parent_to_the_bit(name):
    a, b = pair(name)
    states, work = [a.state_dict(), b.state_dict()], context(a, probe_batches(a))
    plan = trace.stages(a, work.batches[0].inputs)
    ahead = min(round(len(plan) / 2), len(plan) - 1)  # the last is always mixed
    layers = [
        [f"{writer.name}.weight" for group in stage for writer in group.writers] for stage in plan
    ]
    found = late.make(states, [0.3, 0.7], work, Given(options={"alone": 0.5}))
    assert same({n: found.state[n] for n in found.kept}, states[0])
    assert found.kept.issuperset(n for stage in layers[:ahead] for n in stage)
    for name in (n for stage in layers[ahead:] for n in stage):
        assert name not in found.kept
        assert not torch.equal(found.state[name], states[0][name])


def test_with_nothing_alone_it_is_least_squares():
    a, b = pair("resnet-basic")
    states, work = [a.state_dict(), b.state_dict()], context(a, probe_batches(a))
    found = late.make(states, [0.5, 0.5], work, Given(options={"alone": 0})).state
    assert same(found, fuse(states, [0.5, 0.5], work))
