"""What holds for every family: permuting what the spec calls free changes nothing but the order."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from hubmerge.errors import LawError
from hubmerge.matching.similarity.moments import watching
from hubmerge.specs.family import load_families
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs, prove, spec_of
from hubmerge.symmetry.permutation import (
    compose,
    identity,
    invert,
    permute,
    permute_tensor,
    random_permutation,
)
from tests.helpers.tiny import EVERY, TINY, generic, probe

every_model = pytest.mark.parametrize("name", TINY)


def test_every_registered_family_has_a_tiny_model():
    assert {tiny.family for tiny in EVERY.values()} == set(load_families().families)


@every_model
def test_it_is_bound_to_the_family_it_belongs_to(name):
    assert spec_of(generic(name)).family == TINY[name].family


@every_model
def test_every_family_finds_its_freedom(name):
    """An empty spec obeys every other law."""
    assert spec_of(generic(name)).free_spaces() == TINY[name].spaces


@every_model
def test_permuting_leaves_the_function_alone(name):
    model = generic(name)
    spec, inputs = spec_of(model), probe(model)
    assert prove(model, spec, inputs, elements=3).deviation < 1e-12


@every_model
def test_every_space_matters(name):
    """Permuting only one of the tensors a space runs along moves the outputs."""
    model = generic(name)
    spec, inputs = spec_of(model), probe(model)
    state = model.state_dict()
    reference = outputs(model, state, inputs)
    for space, index in random_permutation(spec, 6).items():
        shifted = index.roll(1, -1) if torch.equal(index, identity(spec)[space]) else index
        tensor = next(t for t in spec.touched_by[space] if t not in spec.buffers)
        half = dict(state)
        half[tensor] = permute_tensor(spec, state[tensor], spec.tensors[tensor], {space: shifted})
        assert deviation(reference, outputs(model, half, inputs)) > TOLERANCE, space


@every_model
def test_an_inverse_undoes(name):
    model = generic(name)
    spec, state = spec_of(model), model.state_dict()
    element = random_permutation(spec, 1)
    back = permute(spec, permute(spec, state, element), invert(spec, element))
    assert_same(back, state)
    assert_same(compose(spec, element, invert(spec, element)), identity(spec))
    assert_same(invert(spec, invert(spec, element)), element)


@every_model
def test_composition_composes(name):
    model = generic(name)
    spec, state = spec_of(model), model.state_dict()
    first, then = random_permutation(spec, 1), random_permutation(spec, 2)
    one_after_the_other = permute(spec, permute(spec, state, first), then)
    assert_same(permute(spec, state, compose(spec, first, then)), one_after_the_other)


@every_model
def test_permuting_leaves_its_inputs_alone(name):
    model = generic(name)
    spec = spec_of(model)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    permute(spec, state, random_permutation(spec, 1))
    assert_same(state, model.state_dict())


@every_model
def test_activations_live_where_the_spec_watches_them(name):
    """Equivariance: what is seen at every watched place is permuted along with the weights."""
    model = generic(name)
    spec, inputs = spec_of(model), probe(model)
    element = random_permutation(spec, 3)
    before, after = (
        seen_at_watches(model, spec, state, inputs)
        for state in (model.state_dict(), permute(spec, model.state_dict(), element))
    )
    assert before.keys() == after.keys() == set(range(len(spec.watches)))
    for number, watch in enumerate(spec.watches):
        moved = permute_tensor(spec, before[number], watch.layout, element)
        assert not torch.equal(moved, before[number]), f"{watch} sees nothing move"
        torch.testing.assert_close(after[number], moved, rtol=1e-10, atol=1e-10, msg=str(watch))


@every_model
def test_every_free_space_is_watched(name):
    """Directly, or (heads) through what lies inside it."""
    spec = spec_of(generic(name))
    seen = {space for watch in spec.watches for space in watch.layout.names()}
    assert set(spec.free_spaces()) <= seen


@every_model
def test_a_forgotten_line_is_found_out_and_its_space_named(name):
    model = generic(name)
    spec = spec_of(model)
    space = list(spec.free_spaces())[-1]
    tensor = next(t for t in spec.touched_by[space] if t not in spec.buffers)
    tensors = {t: layout for t, layout in spec.tensors.items() if t != tensor}
    with pytest.raises(LawError) as refused:
        prove(model, replace(spec, tensors=tensors), probe(model))
    assert space in (refused.value.found or "")
    assert refused.value.source == f"model_specs/{spec.family}.toml"


def seen_at_watches(model, spec, state, inputs):
    with watching(model, spec.watches) as seen:
        outputs(model, state, inputs)
        return {number: value.clone() for number, value in seen.take().items()}


def assert_same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        assert torch.equal(left[key], right[key]), key
