"""The parts of learning, one law each."""

from __future__ import annotations

import copy
import math
from itertools import islice, permutations

import pytest
import torch

from hubmerge.errors import RecipeError
from hubmerge.matching.learned.choice import chosen, scores_for, straight_through
from hubmerge.matching.learned.parametrization import Parametrization, can_be_chosen, cayley
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry, compose, invert, random_symmetry, transform
from hubmerge.symmetry.laws import deviation, outputs, spec_of
from hubmerge.training.adam import Adam
from hubmerge.training.augmentation import View, inputs_of, rows_of
from hubmerge.training.batch_sampler import BatchSampler
from hubmerge.training.midpoint_loss import Midpoint, ParentModels
from hubmerge.training.precision import single
from hubmerge.training.targets import divergence, mean_prediction
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import TINY, ProbeBatch, generic, probe

every_model = pytest.mark.parametrize("name", TINY)


def far_off(parametrization, seed=0):
    """Numbers a long way from the start."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + 0.3 * torch.randn(value.shape, generator=generator)
        for name, value in parametrization.parameters().items()
    }


@every_model
def test_wherever_learning_stands_the_function_is_the_same(name):
    model = generic(name)
    spec = spec_of(model).unflipped
    form = canonical(spec, model.state_dict()) if spec.mapped_spaces() else model.state_dict()
    parametrization = Parametrization(spec, form, random_symmetry(spec, 3))
    element = parametrization.element(far_off(parametrization))
    inputs = probe(model)
    moved = outputs(model, transform(spec, form, element), inputs)
    assert deviation(outputs(model, form, inputs), moved) < 1e-9


@every_model
def test_what_is_learned_on_is_what_the_element_does(name):
    model = generic(name)
    spec = spec_of(model).unflipped
    form = canonical(spec, model.state_dict()) if spec.mapped_spaces() else model.state_dict()
    parametrization = Parametrization(spec, form, random_symmetry(spec, 3))
    numbers = far_off(parametrization, 1)
    exact = single(transform(spec, form, parametrization.element(numbers)))
    for tensor, value in parametrization.moved(numbers).items():
        torch.testing.assert_close(value, exact[tensor], rtol=1e-3, atol=1e-4, msg=tensor)


@pytest.mark.parametrize("name", ["gpt2", "llama", "vit"])
def test_moving_both_models_moves_their_average_so_that_moving_one_is_enough(name):
    models = [generic(name), generic(name, seed=1)]
    spec = spec_of(models[0]).unflipped
    first, last = (canonical(spec, model.state_dict()) for model in models)
    ours, theirs = random_symmetry(spec, 3), random_symmetry(spec, 4)
    relative = compose(spec, theirs, invert(spec, ours))
    both = average(transform(spec, first, ours), transform(spec, last, theirs))
    one = average(first, transform(spec, last, relative))
    inputs = probe(models[0])
    here, there = (outputs(models[0], state, inputs) for state in (both, one))
    assert deviation(here, there) < 1e-9
    assert deviation(outputs(models[0], average(first, last), inputs), there) > 1e-3


def average(first, last):
    return {name: (value + last[name]) / 2 for name, value in first.items()}


@every_model
def test_learning_begins_at_the_start(name):
    spec = spec_of(generic(name)).unflipped
    start = random_symmetry(spec, 4)
    parametrization = Parametrization(spec, generic(name).state_dict(), start)
    element = parametrization.element(parametrization.parameters())
    assert all(torch.equal(element.permutation[s], i) for s, i in start.permutation.items())
    for space, matrix in start.maps.items():
        torch.testing.assert_close(element.maps[space], matrix)


def test_a_start_stands_whatever_the_units_are_like():
    """Also in an order in which units stand opposite those least like them."""
    spec = spec_of(generic("vit")).permutations_only
    start = random_symmetry(spec, 5)
    generator = torch.Generator().manual_seed(0)
    shapes = {name: spec.index_shape(name) for name in spec.free_spaces()}
    alike = {n: torch.rand(*shape, *shape, generator=generator) for n, shape in shapes.items()}
    parametrization = Parametrization(spec, generic("vit").state_dict(), start, alike)
    numbers = parametrization.parameters()
    element = parametrization.element(numbers)
    assert all(torch.equal(element.permutation[s], i) for s, i in start.permutation.items())
    name = next(name for name in parametrization.permuted if spec.ancestors(name))
    outer, inner = start.permutation[spec.ancestors(name)[0]], start.permutation[name]
    scores = numbers[name]
    assert scores[1, 0, 1] == alike[name][1, 0, outer[1], inner[1, 1]]


def test_a_rotation_stays_one_and_fixes_what_it_must():
    free = torch.randn(3, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    one = torch.ones(7, dtype=torch.float64)
    for fixing in (False, True):
        turned = cayley(free, fixing_one=fixing)
        torch.testing.assert_close(turned @ turned.mT, torch.eye(7).double().expand(3, 7, 7))
        assert torch.allclose(turned @ one, one.expand(3, 7)) == fixing


def test_a_permutation_is_learned_through_the_hard_choice():
    """Of rows that have to be put in the order of a target."""
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(12, 30, generator=generator)
    planted = torch.randperm(12, generator=generator)
    adam = Adam.at({"s": scores_for(torch.zeros(12, 12))})
    for _ in range(100):
        scores = adam.parameters["s"].requires_grad_()
        loss = (straight_through(scores) @ rows - rows[planted]).square().mean()
        (slope,) = torch.autograd.grad(loss, [scores])
        with torch.no_grad():
            adam = adam.step({"s": slope}, {"s": 0.05})
    assert torch.equal(chosen(adam.parameters["s"]), planted)


@pytest.mark.parametrize("spread", [0.05, 1.0])
def test_the_choice_is_the_order_worth_most(spread):
    """Where every unit has a favourite of its own, and where several want the same."""
    generator = torch.Generator().manual_seed(0)
    scores = scores_for(torch.zeros(3, 6, 6)) + spread * torch.randn(3, 6, 6, generator=generator)
    orders = [torch.tensor(order) for order in permutations(range(6))]
    for matrix, found in zip(scores, chosen(scores), strict=True):
        worth = [float(matrix[torch.arange(6), order].sum()) for order in orders]
        assert float(matrix[torch.arange(6), found].sum()) == pytest.approx(max(worth))


def test_heads_are_left_in_order_and_their_insides_are_not():
    spec = spec_of(generic("vit")).permutations_only
    chosen_spaces = [space for space in spec.free_spaces() if can_be_chosen(spec, space)]
    assert "resid" in chosen_spaces
    assert not [space for space in chosen_spaces if space.endswith("head")]
    assert [space for space in chosen_spaces if space.endswith((".qk", ".vo", ".ff"))]


@pytest.mark.parametrize("name", ["vit", "resnet-basic", "mlp_head-batch"])
def test_the_slope_is_that_of_the_loss(name):
    model = generic(name)
    midpoint = Midpoint(model, Workers(threads=1))
    generator = torch.Generator().manual_seed(1)
    state = single(model.state_dict())
    inputs = probe(model, 8, dtype=torch.float32)
    wanted = torch.randint(0, 3, (8,), generator=generator)
    found = midpoint.slope(state, inputs, wanted)
    steepest = sum(float(slope.square().sum()) for slope in found.gradient.values()) ** 0.5
    step = 1e-3

    def at(share):
        way = {t: share / steepest * slope for t, slope in found.gradient.items()}
        moved = {t: v + way[t] if t in way else v for t, v in state.items()}
        return midpoint.slope(moved, inputs, wanted).loss

    assert (at(step) - at(-step)) / (2 * step) == pytest.approx(steepest, rel=0.05)


def test_adam_takes_steps_of_its_rate_downhill():
    adam = Adam.at({"x": torch.tensor([5.0, -3.0])})
    first = adam.step({"x": torch.tensor([100.0, -1e-3])}, {"x": 0.1})
    torch.testing.assert_close(first.parameters["x"], torch.tensor([4.9, -2.9]), rtol=1e-3, atol=0)
    for _ in range(300):
        adam = adam.step({"x": 2 * adam.parameters["x"]}, {"x": 0.05})
    assert adam.parameters["x"].abs().max() < 0.05


def test_nothing_is_left_to_learn_where_the_parents_are_reached():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator)
    assert divergence(logits, mean_prediction(logits, logits)) == pytest.approx(0, abs=1e-5)
    other = torch.randn(6, 4, generator=generator)
    assert divergence(other, mean_prediction(logits, logits)) > 0.1


def test_images_are_moved_and_other_inputs_are_not():
    images = [ProbeBatch({"pixel_values": torch.rand(30, 3, 16, 16)})]
    features = [ProbeBatch({"features": torch.rand(30, 16)})]
    assert torch.equal(
        inputs_of(features, View(0, 1), 0)["features"], features[0].inputs["features"]
    )
    given = images[0].inputs["pixel_values"]
    views = [inputs_of(images, View(0, number), 0)["pixel_values"] for number in (0, 0, 1)]
    assert torch.equal(views[0], views[1])
    assert not torch.equal(views[0], views[2])
    assert views[0].shape == given.shape
    assert torch.isin(views[0], given).all()


def test_every_row_is_seen_once_an_epoch():
    model = generic("vit")
    batches = [ProbeBatch(probe(model, rows, k)) for k, rows in enumerate((60, 60, 7))]
    context = MethodContext(spec_of(model), model, batches, Workers(threads=1), batches)
    order = BatchSampler(context, None, 0).order()
    for view in (0, 1):
        seen = []
        while len(seen) < 127:
            lesson = next(order)
            assert lesson.view.number == view
            seen += [(lesson.view.batch, row) for row in lesson.rows.tolist()]
        assert len(set(seen)) == 127


@pytest.mark.parametrize("rows", [(30, 26), (30, 1), (28,), (2,), (3,)])
@pytest.mark.parametrize("name", ["mlp_head-batch", "resnet-basic-widening", "resnet-basic"])
def test_a_step_has_rows_that_batch_norms_can_normalise(name, rows):
    """Every row is seen once, every step has a slope, and the validation rows a loss."""
    model = copy.deepcopy(generic(name)).float()
    batches = [ProbeBatch(probe(model, n, k, torch.float32)) for k, n in enumerate(rows)]
    workers, state = Workers(threads=1), single(model.state_dict())
    context = MethodContext(spec_of(model), model, batches, workers, batches)
    midpoint = Midpoint(model, workers)
    sampler = BatchSampler(context, ParentModels(model, (state, state), workers), 0)
    seen, order = 0, sampler.order()
    while seen < sum(rows):
        lesson = next(order)
        slope = midpoint.slope(state, sampler.inputs(lesson), sampler.wanted(lesson))
        assert all(value.isfinite().all() for value in slope.gradient.values())
        seen += len(lesson.rows)
    assert seen == sum(rows)
    assert math.isfinite(midpoint.loss(state, batches, sampler.held_out()))


@pytest.mark.parametrize("name", ["mlp_head-batch", "resnet-basic-widening"])
def test_a_row_that_cannot_be_normalised_alone_is_looked_at_with_the_batch_before(name):
    model = copy.deepcopy(generic(name)).float()
    inputs, wanted = probe(model, 31, 0, torch.float32), torch.arange(31) % 3
    parts = [ProbeBatch(rows_of(inputs, rows)) for rows in torch.arange(31).split(30)]
    midpoint, state = Midpoint(model, Workers(threads=1)), single(model.state_dict())
    alone = midpoint.loss(state, parts, dict(enumerate(wanted.split(30))))
    assert alone == midpoint.loss(state, [ProbeBatch(inputs)], {0: wanted})


@pytest.mark.parametrize("missing", ["calibration", "validation"])
def test_a_single_row_that_cannot_be_normalised_is_refused(missing):
    model = generic("mlp_head-batch")
    calibration, validation = (
        [ProbeBatch(probe(model, 1 if missing == what else 2))]
        for what in ("calibration", "validation")
    )
    context = MethodContext(spec_of(model), model, calibration, Workers(threads=1), validation)
    with pytest.raises(RecipeError, match=f"one {missing} row"):
        BatchSampler(context, None, 0)


@pytest.mark.parametrize("missing", ["calibration", "validation"])
def test_learning_without_rows_is_refused(missing):
    model = generic("vit")
    rows = [ProbeBatch(probe(model))]
    calibration, validation = (
        [] if missing == what else rows for what in ("calibration", "validation")
    )
    context = MethodContext(spec_of(model), model, calibration, Workers(threads=1), validation)
    with pytest.raises(RecipeError, match=missing):
        BatchSampler(context, None, 0)


def test_learning_from_labels_needs_some():
    model = generic("vit")
    rows = [ProbeBatch(probe(model))]
    sampler = BatchSampler(
        MethodContext(spec_of(model), model, rows, Workers(threads=1), rows), None, 0
    )
    with pytest.raises(RecipeError, match="labels"):
        sampler.held_out()


def test_a_start_may_name_few_spaces():
    spec = spec_of(generic("vit"))
    parametrization = Parametrization(spec, generic("vit").state_dict(), Symmetry({}))
    assert set(parametrization.start.permutation) == set(spec.free_spaces())
    assert set(parametrization.start.maps) == set(spec.mapped_spaces())


def test_where_parents_say_much_less_of_it_is_kept_and_nothing_else_is_wanted(monkeypatch):
    model = generic("vit")
    rows = [ProbeBatch(probe(model, 30, k, torch.float32)) for k in range(3)]
    workers, states = Workers(threads=1), [model.state_dict()] * 2
    context = MethodContext(spec_of(model), model, rows, workers, rows)

    def seen():
        sampler = BatchSampler(context, ParentModels(model, states, workers), 0)
        return len(sampler.held_out()), [
            sampler.wanted(lesson) for lesson in islice(sampler.order(), 14)
        ]

    (every, wanted) = seen()
    monkeypatch.setattr("hubmerge.training.batch_sampler.SAID_BYTES", 1)
    (fewer, again) = seen()
    assert (every, fewer) == (3, 1)
    assert all(torch.equal(first, last) for first, last in zip(wanted, again, strict=True))


def test_every_other_epoch_may_show_the_rows_as_they_are():
    model, workers = generic("vit"), Workers(threads=1)
    images = torch.rand(25, 3, 16, 16)
    rows = [ProbeBatch({"pixel_values": images})]
    context = MethodContext(spec_of(model), model, rows, workers, rows)
    sampler = BatchSampler(context, ParentModels(model, [], workers), 0, unmoved=True)
    shown = [
        torch.equal(sampler.inputs(lesson)["pixel_values"], images[lesson.rows])
        for lesson in islice(sampler.order(), 4)
    ]
    assert shown == [True, False, True, False]


def test_images_of_a_step_are_blended_with_one_another_and_parents_asked_about_the_blend():
    model, workers = generic("vit"), Workers(threads=1)
    size = model.config.image_size
    images = torch.rand(25, model.config.num_channels, size, size)
    rows = [ProbeBatch({"pixel_values": images})]
    context = MethodContext(spec_of(model), model, rows, workers, rows)
    parents = ParentModels(model, [model.state_dict()], workers)
    sampler = BatchSampler(context, parents, 0, unmoved=True, blended=True)
    first = next(sampler.order())
    own, found = images[first.rows], sampler.inputs(first)["pixel_values"]
    shares = first.blend.shares.view(-1, 1, 1, 1)
    torch.testing.assert_close(found, (1 - shares) * own + shares * own[first.blend.partners])
    assert not torch.equal(found, own)
    assert torch.equal(sampler.wanted(first), parents.say({"pixel_values": found}))
    again = next(BatchSampler(context, parents, 0, unmoved=True, blended=True).order())
    assert torch.equal(sampler.inputs(again)["pixel_values"], found)


def test_rows_that_are_no_images_are_not_blended():
    model, workers = generic("gpt2"), Workers(threads=1)
    rows = [ProbeBatch({"input_ids": torch.zeros(25, 4, dtype=torch.long)})]
    context = MethodContext(spec_of(model), model, rows, workers, rows)
    sampler = BatchSampler(context, ParentModels(model, [], workers), 0, blended=True)
    assert next(sampler.order()).blend is None
