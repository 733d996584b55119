"""Fusions that choose on validation rows: what they promise there, on trained models."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from hubmerge.data.batches import Batches
from hubmerge.demo.train import pixels
from hubmerge.errors import RecipeError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse._mixing import along
from hubmerge.fuse.methods.average import average
from hubmerge.fuse.validation_scorer import METRICS, ValidationScorer, perturbed
from hubmerge.models.class_outputs import ClassStatistics
from hubmerge.models.method_context import MethodContext
from hubmerge.training.midpoint_loss import Midpoint
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers import zoo
from tests.helpers.labelled import labelled
from tests.helpers.tiny import generic
from tests.helpers.training_history import FAMILY, fresh, trained


@pytest.fixture(scope="module")
def trip():
    """A few epochs of one run, a stranger among them, rows to learn from and validation rows."""
    splits, course = zoo.rows(), zoo.course(FAMILY)
    images, labels = pixels(course, splits["train"])
    first = trained(fresh(1), images[:400], labels[:400], seed=1, epochs=3)
    models = [
        first,
        trained(first, images[400:], labels[400:], seed=2, epochs=3),
        trained(fresh(5), images, labels, seed=3, epochs=3),
        trained(first, images, labels, seed=4, epochs=2),
    ]
    shown, wanted = pixels(course, splits["test"].select(range(300)))

    def read(indices):
        return {"pixel_values": shown[list(indices)]}

    held, sampler = (
        Batches(read, tuple(half), wanted[list(half)], statistics=ClassStatistics())
        for half in (range(150), range(150, 300))
    )
    context = MethodContext(None, copy.deepcopy(first), sampler, Workers(threads=1), held)
    return [model.state_dict() for model in models], context


def made(method, trip, **options):
    states, context = trip
    even = [1 / len(states)] * len(states)
    return find_fusion(method).make(states, even, context, Given(options=options))


def loss(trip, weights):
    states, context = trip
    context.scratch.load_state_dict(average(states, weights))
    found = outputs(context.scratch, context.validation, context.workers)
    return found.losses().mean()


@pytest.mark.parametrize("metric", METRICS)
def test_a_greedy_soup_is_never_worse_than_the_best_model_by_its_own_metric(metric, trip):
    fused = made("greedy-soup", trip, metric=metric)
    states, context = trip
    scorer = ValidationScorer(context, lambda state, weights: state)
    alone = [scorer.figures(metric, state, [1.0])[0] for state in states]
    assert scorer.figures(metric, fused.state, fused.weights)[0] >= max(alone)
    reported = [step.alone for step in fused.soup.steps]
    signed = [-figure for figure in reported] if metric == "loss" else reported
    assert signed == sorted(alone, reverse=True)
    assert fused.weights[2] in (0.0, 1.0), "a stranger comes alone or not at all"
    assert sum(fused.weights) == pytest.approx(1)
    assert all(torch.equal(v, average(states, fused.weights)[n]) for n, v in fused.state.items())


@pytest.mark.parametrize("method", ["learned-soup", "twa"])
def test_what_is_learned_is_better_than_the_mean(method, trip):
    """The stranger is weighed down, in whom nothing lies where it does in the others."""
    fused = made(method, trip)
    even = [1 / len(trip[0])] * len(trip[0])
    assert loss(trip, fused.weights) < loss(trip, even) - 0.05
    assert sum(fused.weights) == pytest.approx(1)
    assert fused.weights[2] < 0.25
    if method == "learned-soup":
        assert min(fused.weights) > 0


@pytest.mark.parametrize("wrong", ["batches", "validation"])
def test_what_is_trained_on_one_kind_of_rows_is_judged_on_another(wrong, trip):
    """Labels that mislead either training or judging leave the mean as it is."""
    states, context = trip
    rows = getattr(context, wrong)
    misled = replace(context, **{wrong: replace(rows, labels=(rows.labels + 1) % 10)})
    fused = made("twa", (states, misled))
    assert fused.weights == (0.25,) * 4
    assert made("twa", trip).weights != fused.weights


def test_steps_that_lead_nowhere_are_not_taken(trip):
    fused = made("learned-soup", trip, rate=1e6, epochs=1)
    assert loss(trip, fused.weights) <= loss(trip, [1 / 4] * 4)


def test_the_slope_along_every_model_is_that_of_the_loss(trip):
    states, context = trip
    weights, batch = [0.3, 0.2, 0.1, 0.4], context.validation[0]
    point = Midpoint(context.scratch, context.workers)

    def at(shares):
        mean = {
            n: sum(w * s[n].double() for w, s in zip(shares, states, strict=True)).float()
            for n in states[0]
        }
        return point.slope(mean, batch.inputs, batch.labels)

    found = along(states, at(weights).gradient)
    for n, slope in enumerate(found.tolist()):
        up, down = ([w + sign * 1e-3 * (n == m) for m, w in enumerate(weights)] for sign in (1, -1))
        assert slope == pytest.approx((at(up).loss - at(down).loss) / 2e-3, rel=0.02, abs=1e-3)


def test_the_dense_window_of_a_run_is_chosen_by_loss(trip):
    fused = made("swad", trip, patience=1, overfit=1, tolerance=1.0)
    losses = [step.alone for step in fused.soup.steps]
    assert losses == pytest.approx(
        [loss(trip, [float(n == m) for m in range(4)]) for n in range(4)]
    )
    taken = [step.ingredient for step in fused.soup.steps if step.taken]
    assert taken == list(range(taken[0], taken[-1] + 1))
    assert [w > 0 for w in fused.weights] == [n in taken for n in range(4)]


def test_noise_is_the_same_every_time_and_another_for_another_seed(trip):
    rows = trip[1].validation
    one, same, other = (perturbed(rows, seed)[0].inputs["pixel_values"] for seed in (1, 1, 2))
    clean = rows[0].inputs["pixel_values"]
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    moved = (one - clean).std() / clean.std()
    assert float(moved) == pytest.approx(0.25, abs=0.01)


def test_no_noise_is_added_to_tokens():
    model = copy.deepcopy(generic("llama")).float()
    with pytest.raises(RecipeError, match="input_ids"):
        perturbed(labelled(model, 4), 0)


def test_candidates_are_repaired_before_they_are_judged():
    """A soup whose batch norms are repaired is judged by what it then says."""
    models = [copy.deepcopy(generic("resnet-basic", seed)).float() for seed in (0, 1)]
    seen = []

    def finish(state, weights):
        seen.append(tuple(weights))
        return {t: torch.zeros_like(v) if "classifier" in t else v for t, v in state.items()}

    context = MethodContext(
        None, models[0], NoBatches(), Workers(threads=1), labelled(models[0], 12)
    )
    states = [model.state_dict() for model in models]
    states = [{t: v.clone() for t, v in state.items()} for state in states]
    made = find_fusion("greedy-soup").make(states, [0.5, 0.5], context, Given(finish=finish))
    assert set(seen) == {(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)}
    assert len({step.soup for step in made.soup.steps}) == 1


def test_without_validation_rows_it_is_refused():
    models = [copy.deepcopy(generic("mlp_head-none", seed)).float() for seed in (0, 1)]
    context = MethodContext(None, models[0], NoBatches(), Workers(threads=1))
    states = [model.state_dict() for model in models]
    with pytest.raises(RecipeError, match="chooses on validation rows"):
        find_fusion("learned-soup").fuse(states, [0.5, 0.5], context)
    with pytest.raises(RecipeError, match="learns from labelled calibration rows"):
        find_fusion("twa").fuse(states, [0.5, 0.5], context)
    sampler = replace(context, batches=labelled(models[0], 12))
    with pytest.raises(RecipeError, match="chooses on validation rows"):
        find_fusion("twa").fuse(states, [0.5, 0.5], sampler)


@pytest.mark.parametrize("rows", [101, 102])
@pytest.mark.parametrize("method", ["learned-soup", "twa"])
def test_any_number_of_rows_is_learned_from_with_batch_norm(method, rows):
    """Also one that leaves a batch of rows that cannot be normalised one by one."""
    models = [copy.deepcopy(generic("mlp_head-batch", seed)).float() for seed in (0, 1)]
    held = labelled(models[0], rows)
    context = MethodContext(None, models[0], held, Workers(threads=1), held)
    states = [copy.deepcopy(model.state_dict()) for model in models]
    made = find_fusion(method).make(states, [0.5, 0.5], context, Given(options={"epochs": 1}))
    assert sum(made.weights) == pytest.approx(1)
