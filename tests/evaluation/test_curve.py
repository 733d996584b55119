from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hubmerge.data.dataset import open_data
from hubmerge.data.labels import match_labels
from hubmerge.data.rows import choose_rows
from hubmerge.evaluation.curve import (
    GRID,
    PATH_POINTS,
    QUARTERS,
    SHORT_POINTS,
    EvalSet,
    choose_lambda,
    measure_curves,
)
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.score import score
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers
from tests.helpers.rows import batches_of

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]


def measure_curve(point, ends, validation_ends, evaluation, validation, workers, **options):
    """The curve on the evaluation rows alone."""
    held_out = None if validation is None else EvalSet(validation, validation_ends)
    (curve,) = measure_curves(point, [EvalSet(evaluation, ends)], held_out, workers, **options)
    return curve


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    be_quiet()
    yield
    be_quiet(False)


@pytest.fixture
def sets(write, head):
    data = open_data(write({"train": 400, "test": 500}, kind="features"), ref="d")
    labels = match_labels(data, head.config.id2label)
    rows = choose_rows(data, samples="all")
    parts = (rows.validation, rows.evaluation)
    return [batches_of(data, part, head, None, labels) for part in parts]


@pytest.fixture(scope="module")
def parents(digits):
    """Two heads trained on the same digits from different seeds."""
    inputs, labels = torch.tensor(digits[1][:400]), torch.tensor(digits[2][:400])

    def trained(seed):
        torch.manual_seed(seed)
        config = MlpHeadConfig(input_size=64, hidden_sizes=[16], id2label=dict(enumerate(NAMES)))
        model = MlpHeadForClassification(config)
        fit = torch.optim.Adam(model.parameters(), lr=0.03)
        for _ in range(60):
            fit.zero_grad()
            F.cross_entropy(model(inputs).logits, labels).backward()
            fit.step()
        return model.eval()

    with Workers().single_threaded_ops():
        return [trained(seed) for seed in (0, 1)]


def line(a, b):
    scratch = copy.deepcopy(a)

    def point(lam):
        state = b.state_dict()
        scratch.load_state_dict(
            {k: torch.lerp(v, state[k], lam) for k, v in a.state_dict().items()}
        )
        return scratch

    return point


def ends(parents, batches, workers):
    a, b = (outputs(model, batches, workers) for model in parents)
    return a, b


def test_two_trainings_have_a_barrier_and_it_is_the_highest_point(parents, sets):
    workers = Workers()
    validation, evaluation = sets
    on_rows, held_out = (ends(parents, batches, workers) for batches in (evaluation, validation))
    found = measure_curve(line(*parents), on_rows, held_out, evaluation, validation, workers)
    lams = [point.lam for point in found.points]
    assert lams == sorted(set(lams))
    assert set(GRID) < set(lams)
    assert 11 + 2 <= len(lams) <= 11 + PATH_POINTS
    assert found.n == evaluation.rows
    top = max(found.points[1:-1], key=lambda point: point.excess)
    assert (found.barrier.value, found.barrier.at) == (top.excess, top.lam)
    assert found.barrier.low > 0.05
    assert found.calibrated_barrier.value < found.barrier.value + 0.5
    highs = [point.calibrated_excess for point in found.points[1:-1]]
    assert found.calibrated_barrier.value == max(highs)
    ends_of = [found.points[0].accuracy, found.points[-1].accuracy]
    falls = [(1 - p.lam) * ends_of[0] + p.lam * ends_of[1] - p.accuracy for p in found.points[1:-1]]
    assert found.error_barrier.value == pytest.approx(max(falls))
    assert found.error_barrier.low <= found.error_barrier.value <= found.error_barrier.high
    assert found.barrier.settled or len(lams) == 11 + PATH_POINTS
    for end, parent, validated in ((0, 0, 0), (-1, 1, 1)):
        scored = score(on_rows[parent], held_out[validated])
        assert found.points[end].loss == scored.loss
        assert found.points[end].calibrated_loss == scored.calibrated_loss
        assert found.points[end].accuracy == scored.accuracy
        assert found.points[end].excess == found.points[end].calibrated_excess == 0


def test_threads_do_not_change_the_curve(parents, sets):
    validation, evaluation = sets
    curves = []
    for threads in (1, 2):
        workers = Workers(threads=threads)
        on_rows, held_out = (
            ends(parents, batches, workers) for batches in (evaluation, validation)
        )
        curves.append(
            measure_curve(line(*parents), on_rows, held_out, evaluation, validation, workers)
        )
    assert curves[0] == curves[1]


def test_further_rows_are_shown_the_same_points_and_change_nothing(parents, sets):
    workers = Workers()
    validation, evaluation = sets
    others = evaluation.first(120)
    held = EvalSet(validation, ends(parents, validation, workers))
    seen = [EvalSet(rows, ends(parents, rows, workers)) for rows in (evaluation, others)]
    both = measure_curves(line(*parents), seen, held, workers)
    alone = measure_curves(line(*parents), seen[:1], held, workers)
    assert both[0] == alone[0]
    assert [p.lam for p in both[1].points] == [p.lam for p in both[0].points]
    assert both[1].n == 120
    for end, parent in ((0, 0), (-1, 1)):
        assert both[1].points[end].loss == score(seen[1].ends[parent]).loss


def test_from_a_model_to_itself_there_is_no_barrier(parents, sets):
    workers = Workers()
    a = parents[0]
    same = ends([a, a], sets[1], workers)
    found = measure_curve(lambda lam: a, same, None, sets[1], None, workers)
    assert (found.barrier.value, found.barrier.low, found.barrier.high) == (0, 0, 0)
    assert found.calibrated_barrier is None
    assert {point.calibrated_loss for point in found.points} == {None}
    through_lerp = measure_curve(line(a, a), same, None, sets[1], None, workers)
    assert abs(through_lerp.barrier.value) < 1e-6


def test_a_barrier_between_two_points_of_the_grid_is_found(parents, sets):
    """A path that is A everywhere but for a narrow bump, highest at 0.425."""
    workers = Workers()
    a, visited = parents[0], []
    scratch = copy.deepcopy(a)

    def point(lam):
        visited.append(lam)
        scale = 1 - 2 * max(0.0, 1 - abs(lam - 0.425) / 0.1)
        state = dict(a.state_dict())
        state["classifier.weight"] = state["classifier.weight"] * scale
        scratch.load_state_dict(state)
        return scratch

    found = measure_curve(point, ends([a, a], sets[1], workers), None, sets[1], None, workers)
    assert abs(found.barrier.at - 0.425) < 0.01
    assert len(visited) == len(set(visited)) <= 9 + PATH_POINTS
    rough = measure_curve(
        point, ends([a, a], sets[1], workers), None, sets[1], None, workers, budget=0
    )
    assert [p.lam for p in rough.points] == list(GRID)
    assert not rough.barrier.settled
    assert rough.barrier.value < found.barrier.value
    assert all(point.excess < found.barrier.value for point in found.points if point.lam in GRID)


CONTENDERS = ("parent A", "parent B", "naive average", "merge", "refined parent")


def test_a_default_merge_costs_at_most_fourteen_passes(parents, sets):
    """Of two parents: five contenders, and the points of two short paths; their ensemble is a mean
    of what the parents said."""
    workers = Workers()
    visited = []

    def counted(lam):
        visited.append(lam)
        return line(*parents)(lam)

    asked = ends(parents, sets[1], workers)
    budgets = (0, SHORT_POINTS)
    for budget in budgets:
        measure_curve(counted, asked, None, sets[1], None, workers, grid=QUARTERS, budget=budget)
    assert len(visited) > len(budgets) * (len(QUARTERS) - 2)
    assert len(CONTENDERS) + len(visited) <= 14


def test_a_point_that_breaks_gives_no_figure_and_no_crash(parents, sets):
    workers = Workers()
    a = parents[0]
    broken = copy.deepcopy(a)
    broken.classifier.bias.data[0] = float("nan")
    same = ends([a, a], sets[1], workers)
    found = measure_curve(
        lambda lam: broken if lam == 0.5 else a, same, same, sets[1], sets[1], workers
    )
    assert np.isnan(found.barrier.value)
    assert found.calibrated_barrier is None


def test_lambda_is_chosen_where_the_validation_loss_is_least(parents, sets):
    workers = Workers()
    a, b = parents
    validation = sets[0]
    best, losses = choose_lambda(line(a, b), validation, workers)
    assert list(losses) == list(GRID[1:-1])
    assert losses[best] == min(losses.values())
    again = outputs(line(a, b)(best), validation, workers)
    assert losses[best] == score(again).loss
    assert choose_lambda(lambda lam: a, validation, workers)[0] == 0.5
    with pytest.raises(ValueError, match="without validation rows"):
        choose_lambda(line(a, b), validation.first(0), workers)


def test_of_three_models_the_path_leads_from_the_first_to_their_mixture(parents, sets):
    """The excess at its far end is over the same mixture of the parents' own losses."""
    workers = Workers()
    validation, evaluation = sets
    models, weights = [*parents, copy.deepcopy(parents[0])], [0.2, 0.5, 0.3]
    with torch.no_grad():
        models[2].classifier.bias += 0.5
    scratch = copy.deepcopy(models[0])

    def point(lam):
        shares = [1 - lam + lam * weights[0], lam * weights[1], lam * weights[2]]
        states = [model.state_dict() for model in models]
        mixed = {k: sum(w * s[k] for w, s in zip(shares, states, strict=True)) for k in states[0]}
        scratch.load_state_dict(mixed)
        return scratch

    on_rows, held_out = (
        [outputs(model, batches, workers) for model in models]
        for batches in (evaluation, validation)
    )
    found = measure_curve(
        point, on_rows, held_out, evaluation, validation, workers, weights=weights
    )
    first, last = found.points[0], found.points[-1]
    scores = [score(o, h) for o, h in zip(on_rows, held_out, strict=True)]
    assert (first.lam, last.lam) == (0, 1)
    assert (first.loss, first.excess) == (scores[0].loss, 0)
    assert last.loss == pytest.approx(score(outputs(point(1.0), evaluation, workers)).loss)
    own = sum(w * each.loss for w, each in zip(weights, scores, strict=True))
    assert last.loss - last.excess == pytest.approx(own)
    calibrated = sum(w * each.calibrated_loss for w, each in zip(weights, scores, strict=True))
    assert last.calibrated_loss - last.calibrated_excess == pytest.approx(calibrated)
    assert found.barrier.value == max(point.excess for point in found.points[1:])
    assert found.barrier.low > 0.05
