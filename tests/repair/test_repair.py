"""Repairs reach the statistics they promise."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from hubmerge.errors import RecipeError
from hubmerge.fuse.methods.average import average
from hubmerge.models.method_context import MethodContext
from hubmerge.repair import batch_norms, find_repair
from hubmerge.repair.methods.repair import _toward, hidden_layers
from hubmerge.repair.statistics import channel_statistics
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.hooks import leaving
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import ProbeBatch, generic, probe, probe_batches

WITH_NORM = ["resnet-basic", "resnet-bottleneck", "mlp_head-batch"]
WITHOUT_NORM = ["vit", "vit-deep-no-qkv-bias", "mlp_head-none", "mlp_head-layer"]


def bench_for(name, *, rows=32, count=1, threads=1, dtype=torch.float64):
    model = copy.deepcopy(generic(name)).to(dtype)
    batches = probe_batches(model, rows=rows, count=count, dtype=dtype)
    return MethodContext(spec_of(model), model, batches, Workers(threads=threads))


def ends(context, name, dtype=torch.float64):
    return [copy.deepcopy(generic(name, seed)).to(dtype).state_dict() for seed in (0, 1)]


def statistics_of(context, state, modules):
    """Mean and deviation of what leaves `modules`, measured by plain hooks."""
    context.scratch.load_state_dict(state)
    seen = {name: [] for name in modules}

    def look(name):
        def hook(module, given, output):
            axis = -1 if isinstance(module, nn.Linear) else 1
            seen[name].append(output.movedim(axis, -1).flatten(0, -2))

        return hook

    with leaving(context.scratch, {name: look(name) for name in modules}), torch.no_grad():
        for batch in context.batches:
            context.scratch(**batch.inputs)
    rows = {name: torch.cat(values) for name, values in seen.items()}
    return {name: (value.mean(0), value.std(0)) for name, value in rows.items()}


@pytest.mark.parametrize("name", WITH_NORM)
@pytest.mark.parametrize("count", [1, 3])
def test_batch_norms_get_what_torch_itself_would_estimate(name, count):
    """Torch's cumulative average; over several batches it averages their variances about their
    own means, and pooling adds the spread of the means."""
    context = bench_for(name, count=count)
    first, last = ends(context, name)
    state = average([first, last], [0.5, 0.5])
    repaired = find_repair("batchnorm").function(context, [first, last])(state, [0.5, 0.5])

    reference = copy.deepcopy(context.scratch)
    reference.load_state_dict(state)
    batch_means = {module: [] for module in batch_norms(reference)}
    for module in batch_norms(reference):
        norm = reference.get_submodule(module)
        norm.reset_running_stats()
        norm.momentum = None
        norm.register_forward_pre_hook(
            lambda norm, args, module=module: batch_means[module].append(
                args[0].movedim(1, -1).flatten(0, -2).mean(0)
            )
        )
    reference.train()
    with torch.no_grad():
        for batch in context.batches:
            reference(**batch.inputs)
    torchs = reference.state_dict()
    for module, means in batch_means.items():
        key = f"{module}.running_mean"
        torch.testing.assert_close(repaired[key], torchs[key], rtol=1e-10, atol=1e-12)
        key = f"{module}.running_var"
        between = torch.stack(means).var(0, correction=0)
        tolerance = 1e-10 if count == 1 else 5e-2  # n - 1 of one batch, not of all
        torch.testing.assert_close(repaired[key], torchs[key] + between, rtol=tolerance, atol=1e-12)


def repaired_on(name, sizes):
    """The midpoint of two models, repaired on batches of so many of the same rows."""
    context = bench_for(name, rows=sum(sizes))
    rows = context.batches[0].inputs
    parts = {key: value.split(sizes) for key, value in rows.items()}
    batches = [
        ProbeBatch({key: part[number] for key, part in parts.items()})
        for number in range(len(sizes))
    ]
    context, states = replace(context, batches=batches), ends(context, name)
    repairer = find_repair("batchnorm").function(context, states)
    return repairer(average(states, [0.5, 0.5]), [0.5, 0.5])


@pytest.mark.parametrize("name", ["mlp_head-batch", "resnet-basic-widening"])
def test_a_last_row_that_cannot_be_normalised_alone_goes_with_the_batch_before(name):
    alone, joined = repaired_on(name, [6, 6, 1]), repaired_on(name, [6, 7])
    assert all(torch.equal(value, joined[key]) for key, value in alone.items())


def test_a_last_row_that_can_be_normalised_alone_is_a_batch_of_its_own():
    alone, joined = (repaired_on("resnet-basic", sizes) for sizes in ([6, 6, 1], [6, 7]))
    assert any(not torch.allclose(value, joined[key]) for key, value in alone.items())
    single = repaired_on("resnet-basic", [1])
    assert all(value.isfinite().all() for value in single.values())


def test_a_single_row_that_cannot_be_normalised_is_refused():
    with pytest.raises(RecipeError, match="one calibration row"):
        repaired_on("mlp_head-batch", [1])


class Synthetic(list):
    synthetic = True


@pytest.mark.parametrize("name", WITH_NORM)
def test_from_synthetic_rows_a_model_gets_the_statistics_of_the_rows_it_was_trained_on(name):
    context = bench_for(name)
    state, _ = ends(context, name)
    averaged = find_repair("batchnorm").function(context, [state])
    trained = averaged(state, [1.0])
    norms = [tensor for tensor in state if "running_" in tensor]
    spoiled = {n: 2 * value + 1 if n in norms else value for n, value in trained.items()}
    (batch,) = context.batches
    others = [ProbeBatch({k: 1.5 * value + 0.5 for k, value in batch.inputs.items()})]
    given = replace(context, batches=Synthetic(others))
    repaired = find_repair("batchnorm").function(given, [trained, trained])(spoiled, [0.5, 0.5])
    uncorrected = find_repair("batchnorm").function(replace(given, batches=others), [trained])
    plain = uncorrected(spoiled, [1.0])
    for norm in norms:
        torch.testing.assert_close(repaired[norm], trained[norm])
    assert any((plain[n] - trained[n]).norm() > 0.2 * trained[n].norm() for n in norms)


@pytest.mark.parametrize("name", WITH_NORM)
def test_re_estimation_touches_running_statistics_alone(name):
    context = bench_for(name)
    first, last = ends(context, name)
    state = average([first, last], [0.5, 0.5])
    repaired = find_repair("batchnorm").function(context, [first, last])(state, [0.5, 0.5])
    for tensor, value in state.items():
        running = tensor.endswith(("running_mean", "running_var"))
        assert torch.equal(repaired[tensor], value) != running, tensor


@pytest.mark.parametrize("name", WITHOUT_NORM)
@pytest.mark.parametrize("lam", [0.3, 0.5])
def test_every_hidden_layer_gets_the_interpolated_mean_and_deviation(name, lam):
    context = bench_for(name)
    first, last = ends(context, name)
    modules = hidden_layers(context)
    assert modules
    state = average([first, last], [1 - lam, lam])
    repaired = find_repair("repair").function(context, [first, last])(state, [1 - lam, lam])
    a, b, found = (statistics_of(context, s, modules) for s in (first, last, repaired))
    before = statistics_of(context, state, modules)
    for module in modules:
        wanted = [torch.lerp(x, y, lam) for x, y in zip(a[module], b[module], strict=True)]
        torch.testing.assert_close(found[module][1], wanted[1], rtol=1e-8, atol=1e-10)
        if context.scratch.get_submodule(module).bias is not None:
            torch.testing.assert_close(found[module][0], wanted[0], rtol=1e-8, atol=1e-10)
        assert not torch.allclose(before[module][1], wanted[1], rtol=1e-3)


@pytest.mark.parametrize("name", WITHOUT_NORM)
def test_folded_weights_do_what_the_hooks_did(name):
    context = bench_for(name)
    first, last = ends(context, name)
    state = average([first, last], [0.5, 0.5])
    modules = hidden_layers(context)
    one, two = (channel_statistics(context, s, modules) for s in (first, last))
    hooks = {
        module: _toward(
            (one[module].mean + two[module].mean) / 2,
            (one[module].variance.sqrt() + two[module].variance.sqrt()) / 2,
        )
        for module in modules
    }
    (batch,) = context.batches
    context.scratch.load_state_dict(state)
    with leaving(context.scratch, hooks), torch.no_grad():
        hooked = context.scratch(**batch.inputs).logits
    folded = find_repair("repair").function(context, [first, last])(state, [0.5, 0.5])
    context.scratch.load_state_dict(folded)
    with torch.no_grad():
        torch.testing.assert_close(context.scratch(**batch.inputs).logits, hooked)


@pytest.mark.parametrize("name", WITHOUT_NORM)
def test_a_parent_between_itself_and_itself_is_left_alone_up_to_rounding(name):
    context = bench_for(name)
    state, _ = ends(context, name)
    repaired = find_repair("repair").function(context, [state, state])(state, [0.5, 0.5])
    for tensor, value in state.items():
        torch.testing.assert_close(repaired[tensor], value, rtol=1e-9, atol=1e-9)


def test_a_constant_channel_stays_finite():
    context = bench_for("mlp_head-none")
    first, last = ends(context, "mlp_head-none")
    state = average([first, last], [0.5, 0.5])
    state["layers.0.linear.weight"][0] = 0
    repaired = find_repair("repair").function(context, [first, last])(state, [0.5, 0.5])
    assert all(torch.isfinite(value).all() for value in repaired.values())
    assert not repaired["layers.0.linear.weight"][0].any()


def test_repair_of_a_batch_norm_model_is_re_estimation():
    context = bench_for("mlp_head-batch")
    first, last = ends(context, "mlp_head-batch")
    state = average([first, last], [0.5, 0.5])
    both = [
        find_repair(n).function(context, [first, last])(state, [0.5, 0.5])
        for n in ("repair", "batchnorm")
    ]
    assert all(torch.equal(both[0][t], both[1][t]) for t in state)


@pytest.mark.parametrize(
    ("method", "name"),
    [("repair", "vit"), ("repair", "mlp_head-none"), ("batchnorm", "resnet-basic")],
)
def test_one_thread_and_two_give_the_same_bits(method, name):
    results = []
    for threads in (1, 2):
        context = bench_for(name, rows=8, count=5, threads=threads, dtype=torch.float32)
        first, last = ends(context, name, torch.float32)
        state = average([first, last], [0.5, 0.5])
        results.append(find_repair(method).function(context, [first, last])(state, [0.5, 0.5]))
    for tensor in results[0]:
        assert torch.equal(results[0][tensor], results[1][tensor]), tensor


@pytest.mark.parametrize("look_at_input", [False, True])
def test_statistics_are_those_of_all_rows_pooled(look_at_input):
    context = bench_for("mlp_head-layer", rows=7, count=3)
    state, _ = ends(context, "mlp_head-layer")
    (name, *_rest) = hidden_layers(context)
    found = channel_statistics(context, state, [name], look_at_input=look_at_input)[name]
    rows = torch.cat([batch.inputs["features"] for batch in context.batches])
    if not look_at_input:
        rows = rows @ state[f"{name}.weight"].T + state[f"{name}.bias"]
    assert found.count == 21
    torch.testing.assert_close(found.mean, rows.mean(0))
    torch.testing.assert_close(found.variance, rows.var(0))


def test_what_cannot_be_repaired_is_refused():
    context = bench_for("vit")
    first, last = ends(context, "vit")
    with pytest.raises(RecipeError, match="has none that keep running statistics"):
        find_repair("batchnorm").function(context, [first, last])
    blind = MethodContext(None, context.scratch, context.batches, context.workers)
    with pytest.raises(RecipeError, match="needs a spec"):
        find_repair("repair").function(blind, [first, last])
    with pytest.raises(RecipeError, match="'repare'") as refused:
        find_repair("repare")
    assert "repair" in (refused.value.found or "")


def test_hidden_layers_are_those_whose_outputs_are_free():
    names = hidden_layers(bench_for("vit"))
    assert "classifier" not in names
    assert "vit.embeddings.patch_embeddings.projection" in names
    assert len(names) == 1 + 2 * 6
    assert probe(generic("vit"))["pixel_values"].shape == (2, 3, 8, 8)


@pytest.mark.parametrize("name", WITHOUT_NORM)
def test_over_several_batches_the_deviations_are_met_to_a_few_percent(name):
    """One pass sees every batch normalised by itself, as batch norm in training does."""
    context = bench_for(name, rows=64, count=3)
    first, last = ends(context, name)
    modules = hidden_layers(context)
    state = average([first, last], [0.5, 0.5])
    repaired = find_repair("repair").function(context, [first, last])(state, [0.5, 0.5])
    a, b, naive, found = (
        statistics_of(context, s, modules) for s in (first, last, state, repaired)
    )
    for module in modules:
        wanted = (a[module][1] + b[module][1]) / 2
        assert ((found[module][1] - wanted) / wanted).abs().max() < 0.05
        assert ((naive[module][1] - wanted) / wanted).abs().max() > 0.05


@pytest.mark.parametrize("name", WITHOUT_NORM)
def test_of_three_models_deviations_are_averaged_not_variances(name):
    context = bench_for(name)
    states = [*ends(context, name), ends(context, name)[0]]
    states[2] = {tensor: value * 1.5 for tensor, value in states[2].items()}
    weights, modules = [0.2, 0.5, 0.3], hidden_layers(context)
    repaired = find_repair("repair").function(context, states)(average(states, weights), weights)
    own = [statistics_of(context, state, modules) for state in states]
    found = statistics_of(context, repaired, modules)
    for module in modules:
        wanted = sum(w * each[module][1] for w, each in zip(weights, own, strict=True))
        torch.testing.assert_close(found[module][1], wanted, rtol=1e-8, atol=1e-10)
