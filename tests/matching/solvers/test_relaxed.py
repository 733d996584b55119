"""Frank-Wolfe over permutations, rotations and linear maps together, on the weights alone."""

from __future__ import annotations

import pytest
import torch

from hubmerge.matching.multi.coordinate_ascent import climb_weights
from hubmerge.matching.solvers.relaxed import by_module, relax_symmetry
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import Symmetry, compose, invert, random_symmetry, transform
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import identity
from tests.helpers.tiny import TINY, generic

every_model = pytest.mark.parametrize("name", TINY)


def form_of(name, seed):
    model = generic(name, seed)
    spec = spec_of(model)
    return spec, canonical(spec, model.state_dict())


def alike(spec, anchor, moved):
    """Sum over modules of the cosine between parameters, which is what is climbed."""
    target = by_module(spec, anchor, moved)
    names = [name for name in spec.tensors if name not in spec.buffers]
    gains = {norm.gain for norm in spec.norms}
    return sum(float((target[n] * moved[n]).sum()) for n in names if n not in gains)


@pytest.mark.crossed
@every_model
@pytest.mark.parametrize("seed", [0, 1])
def test_a_planted_symmetry_of_every_kind_is_undone(name, seed):
    spec, form = form_of(name, seed)
    # what is planted is as much a rotation in balanced coordinates as what is searched
    planted = canonical(spec, transform(spec, form, random_symmetry(spec, seed + 50)))
    found, _ = relax_symmetry(spec, form, planted)
    restored = transform(spec, planted, found)
    for tensor, value in form.items():
        torch.testing.assert_close(restored[tensor], value, rtol=1e-3, atol=1e-4, msg=tensor)


@every_model
def test_strangers_become_more_alike_than_from_where_they_stand(name):
    """Than by coordinate ascent from the order they came in, which is where others begin."""
    (spec, first), (_, last) = form_of(name, 0), form_of(name, 1)
    found, _ = relax_symmetry(spec, first, last)
    moved = alike(spec, first, transform(spec, last, found))
    assert moved > alike(spec, first, last)
    begun = [Symmetry(identity(spec)), Symmetry(identity(spec))]
    target = by_module(spec, first, last)
    climbed = climb_weights(spec, [target, last], begun, movable=(1,), sweeps=10)[0][1]
    assert moved > 0.8 * alike(spec, first, transform(spec, last, climbed))


@pytest.mark.parametrize("name", ["vit", "resnet-basic"])
def test_the_same_answer_every_time_and_inputs_left_alone(name):
    (spec, first), (_, last) = form_of(name, 0), form_of(name, 1)
    kept = [{t: v.clone() for t, v in state.items()} for state in (first, last)]
    one, two = (relax_symmetry(spec, first, last)[0] for _ in range(2))
    assert all(torch.equal(one.permutation[s], two.permutation[s]) for s in one.permutation)
    assert all(torch.equal(one.maps[s], two.maps[s]) for s in one.maps)
    for state, before in zip((first, last), kept, strict=True):
        assert all(torch.equal(state[t], before[t]) for t in before)


def test_how_large_a_modules_numbers_are_does_not_matter():
    (spec, first), (_, last) = form_of("mlp_head-none", 0), form_of("mlp_head-none", 1)
    module = next(iter(spec.tensors)).rpartition(".")[0]
    larger = {n: 8.0 * v if n.startswith(module + ".") else v for n, v in last.items()}
    one, two = (relax_symmetry(spec, first, state)[0] for state in (last, larger))
    assert all(torch.equal(one.permutation[s], two.permutation[s]) for s in one.permutation)


def test_finding_the_way_there_is_finding_the_way_back():
    spec, form = form_of("vit", 3)
    element = random_symmetry(spec, 9)
    planted = canonical(spec, transform(spec, form, element))
    there, back = relax_symmetry(spec, form, planted)[0], relax_symmetry(spec, planted, form)[0]
    around = compose(spec, there, invert(spec, there))
    restored = transform(spec, form, around)
    assert all(torch.allclose(restored[t], v) for t, v in form.items())
    there_again = transform(spec, form, back)
    assert all(torch.allclose(there_again[t], v, rtol=1e-3, atol=1e-4) for t, v in planted.items())
