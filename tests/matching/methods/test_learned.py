"""What matchers that learn owe: both parents' functions, the same bytes, a better midpoint."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from torch import Tensor

from hubmerge.matching.learned.registry import find_method, learners
from hubmerge.matching.methods.learned import match_learned
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.canonical import in_float64
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.training import trainer as course
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.precision import single
from hubmerge.training.targets import divergence, mean_prediction
from hubmerge.training.trainer import between
from hubmerge.utils.checkpoint_store import CheckpointStore
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, generic, probe

every_model = pytest.mark.parametrize("name", TINY)
every_learner = pytest.mark.parametrize("method", learners())

STEPS = 6


@dataclass(frozen=True)
class LabelledBatch:
    inputs: dict[str, Tensor]
    labels: Tensor | None

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


@pytest.fixture
def often(monkeypatch):
    """Validation is looked at after every other step."""
    monkeypatch.setattr(course, "CHECK", 2)


def rows_for(model, seed, count=2, rows=20, labelled=True):
    """Batches of random input, labelled by what a shaken model of the kind says of them."""
    found = []
    for number in range(count):
        inputs = probe(model, rows, 1000 * seed + number, torch.float32)
        labels = outputs(model, model.state_dict(), inputs).argmax(-1)
        found.append(LabelledBatch(inputs, labels if labelled else None))
    return found


def bench_for(name, *, threads=1, checkpoints=None, labelled=True):
    model = copy.deepcopy(generic(name)).float()
    workers = Workers(threads=threads)
    calibration, validation = (rows_for(model, seed, labelled=labelled) for seed in (1, 2))
    return MethodContext(
        spec_of(model).unflipped, model, calibration, workers, validation, checkpoints
    )


def strangers(name):
    return [copy.deepcopy(generic(name, seed)).float().state_dict() for seed in (0, 1)]


def run(method, name, context, *, steps=STEPS, seed=0, states=None):
    first, last = states or strangers(name)
    function = find_method(method).function
    return function(context.spec, first, last, context=context, seed=seed, steps=steps)


@cache
def learned(method, name):
    """The match of two strangers, looked at by several tests. Needs `often`."""
    return run(method, name, bench_for(name))


@pytest.mark.crossed
@every_model
@every_learner
def test_both_parents_keep_their_functions(name, method, often):
    states, match = strangers(name), learned(method, name)
    inputs = probe(generic(name))
    model = copy.deepcopy(generic(name)).double()
    moved = (match.anchored(states[0]), match.apply(states[1]))
    for before, after in zip(states, moved, strict=True):
        reported = [outputs(model, in_float64(state), inputs) for state in (before, after)]
        assert deviation(*reported) < 1e-9


@pytest.mark.crossed
@every_model
@every_learner
def test_a_learned_match_is_a_symmetry_of_every_free_space(name, method, often):
    match = learned(method, name)
    assert [space.space for space in match.spaces] == list(match.spec.free_spaces())
    assert set(match.maps) == set(match.spec.mapped_spaces())
    for space, index in match.permutation.items():
        straight = torch.arange(index.shape[-1]).expand(match.spec.index_shape(space))
        assert torch.equal(index.sort(-1).values, straight)


@every_learner
@pytest.mark.parametrize("name", ["vit", "mlp_head-batch"])
def test_the_same_bytes_on_any_number_of_threads(name, method, often):
    one, two = learned(method, name), run(method, name, bench_for(name, threads=2))
    assert one.outcome == two.outcome
    assert_same(one.permutation, two.permutation)
    assert_same(one.maps, two.maps)


@every_learner
@pytest.mark.parametrize("name", ["vit", "mlp_head-batch"])
def test_work_that_was_stopped_goes_on_to_the_same_end(name, method, often, tmp_path, monkeypatch):
    whole = learned(method, name)
    steps = []
    slope = course.Midpoint.slope

    def counted(self, *given):
        steps.append(1)
        if len(steps) == 4 and not stopped:
            stopped.append(True)
            raise KeyboardInterrupt
        return slope(self, *given)

    stopped = []
    monkeypatch.setattr(course.Midpoint, "slope", counted)
    context = bench_for(name, checkpoints=CheckpointStore(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        run(method, name, context)
    assert len(list(tmp_path.iterdir())) == 1
    steps.clear()
    resumed = run(method, name, bench_for(name, checkpoints=CheckpointStore(tmp_path)))
    assert len(steps) == STEPS - 2  # the first two were kept
    assert resumed.outcome == whole.outcome
    assert_same(resumed.permutation, whole.permutation)
    assert_same(resumed.maps, whole.maps)


def test_other_rows_or_options_are_other_work(often, tmp_path):
    checkpoints = CheckpointStore(tmp_path)

    def work(context, **other):
        run("learned", "vit", context, steps=2, **other)

    work(bench_for("vit", checkpoints=checkpoints))
    work(bench_for("vit", checkpoints=checkpoints), seed=1)
    work(bench_for("vit", checkpoints=checkpoints), states=strangers("vit")[::-1])
    context = bench_for("vit", checkpoints=checkpoints)
    inputs = context.batches[1].inputs["pixel_values"].clone()
    inputs[3, 0, 0, 0] += 1e-3
    rows = [context.batches[0], LabelledBatch({"pixel_values": inputs}, context.batches[1].labels)]
    work(replace(context, batches=[*rows, rows[0]]))
    work(replace(context, batches=[rows[0], *context.batches[1:], rows[0]]))
    assert len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize(
    "name", ["vit", pytest.param("vit-deep-no-qkv-bias", marks=pytest.mark.slow)]
)
def test_learning_brings_the_midpoint_closer_to_what_the_parents_say(name):
    """On rows it neither learned from nor was chosen on."""
    context = bench_for(name)
    states = strangers(name)

    def distance(match):
        model = copy.deepcopy(context.scratch).eval()
        inputs = probe(model, 200, 77, torch.float32)
        first, last = single(match.anchored(states[0])), single(match.apply(states[1]))
        parents = mean_prediction(*(outputs(model, state, inputs) for state in states))
        return float(divergence(outputs(model, between(first, last, 0.5), inputs), parents))

    learned = match_learned(context.spec, *states, context=context, steps=120)
    start = match_learned(context.spec, *states, context=context, steps=0)
    assert distance(learned) < 0.9 * distance(start)


def test_learning_that_brings_nothing_slows_down_and_stops(often):
    context, states = bench_for("mlp_head-batch"), strangers("mlp_head-batch")
    sampler = BatchSampler(context, None, 0)
    found = course.learn(Still(states[1]), states[0], sampler, context, steps=60, seed=0)
    assert found.outcome.startswith("learned for 24 steps, stopped by itself")


@dataclass(frozen=True)
class Still:
    """A learner whose numbers change nothing."""

    state: dict[str, Tensor]

    def parameters(self) -> dict[str, Tensor]:
        return {"nothing": torch.zeros(3)}

    def rates(self) -> dict[str, float]:
        return {"nothing": 0.1}

    def moved(self, parameters):
        nothing = parameters["nothing"].sum()
        return {k: v + 0 * nothing if v.is_floating_point() else v for k, v in self.state.items()}


@every_learner
def test_a_longer_course_takes_more_rows(method):
    learner = learners()[method]
    assert learner.rows_for(None) == learner.rows_for(600) == learner.rows == 15_000
    assert learner.rows_for(3600) == 3600 * 25


def test_label_free_learning_looks_at_no_label(often):
    with_labels, without = (
        learned("learned", "vit"),
        run("learned", "vit", bench_for("vit", labelled=False)),
    )
    assert_same(with_labels.maps, without.maps)


def assert_same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key
