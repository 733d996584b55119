"""Curves between trained models: what each of them promises."""

from __future__ import annotations

import copy

import pytest
import torch

from hubmerge.data.batches import Batches
from hubmerge.demo.train import pixels
from hubmerge.errors import RecipeError
from hubmerge.landscape.curves import curves, find_curve
from hubmerge.landscape.geometry.chain import Chain, hats
from hubmerge.landscape.path_trainer import PathTrainer
from hubmerge.models.class_outputs import ClassStatistics
from hubmerge.models.method_context import MethodContext
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from hubmerge.utils.workers import Workers
from tests.helpers import zoo
from tests.helpers.training_history import FAMILY, fresh, trained

BENT = {name: kind for name, kind in curves().items() if kind.bends}
STEPS = 150


@pytest.fixture(scope="module")
def context():
    """A trained model, and labelled rows of which it has seen the first kind."""
    splits, course = zoo.rows(), zoo.course(FAMILY)
    images, labels = pixels(course, splits["train"])
    shown, wanted = pixels(course, splits["test"].select(range(150)))
    model = trained(fresh(1), images, labels, seed=1, epochs=6)
    rows, held = rows_of(images[:400], labels[:400]), rows_of(shown, wanted)
    return MethodContext(spec_of(model), model, rows, Workers(threads=1), held)


def rows_of(images, labels):
    def read(indices):
        return {"pixel_values": images[list(indices)]}

    return Batches(read, tuple(range(len(labels))), labels, statistics=ClassStatistics())


@pytest.fixture(scope="module")
def ends(context):
    """The model, and a copy of it whose units stand in another order."""
    first = copy.deepcopy(context.scratch.state_dict())
    order = random_permutation(context.spec, 3)
    return first, permute(context.spec, first, order)


def found(name, ends, context, steps=STEPS):
    kind = find_curve(name)
    teacher = PathTrainer(context, steps=steps, seed=0)
    return teacher, kind.function(*ends, kind.checked(None), teacher)


@pytest.mark.parametrize("name", BENT)
def test_the_curve_to_a_symmetric_copy_is_flat_once_aligned(name, ends, context):
    first, _ = ends
    teacher, chain = found(name, (first, first), context, steps=50)
    assert teacher.worst(chain) <= teacher.worst(Chain((first, first), hats))


@pytest.mark.parametrize("name", BENT)
def test_to_a_symmetric_copy_it_goes_around_the_barrier(name, ends, context):
    teacher, chain = found(name, ends, context)
    flat = teacher.worst(Chain((ends[0], ends[0]), hats))
    barrier = teacher.worst(Chain(ends, hats)) - flat
    assert barrier > 0.3
    assert teacher.worst(chain) - flat < barrier / 3
    for place, end in ((0.0, ends[0]), (1.0, ends[1])):
        assert all(torch.equal(value, end[n]) for n, value in chain.state(place).items())
    assert chain.length() > Chain(ends, hats).length()


@pytest.mark.parametrize("name", BENT)
def test_the_same_path_is_found_again(name, ends, context):
    one, two = (found(name, ends, context, steps=50)[1] for _ in range(2))
    for here, there in zip(one.bends, two.bends, strict=True):
        assert all(torch.equal(value, there[n]) for n, value in here.items())


def test_a_line_learns_nothing(ends, context):
    _, chain = found("line", ends, context)
    assert chain.bends == ()


@pytest.mark.parametrize(("name", "bends"), [("line", 1), ("bezier", 0), ("band", 0)])
def test_bends_that_make_no_sense_are_refused(name, bends):
    with pytest.raises(RecipeError, match=f'curve="{name}"'):
        find_curve(name).checked(bends)


def test_an_unknown_curve_is_refused_with_those_there_are():
    with pytest.raises(RecipeError, match="bezier"):
        find_curve("spline")
