"""What every reviewed family owes, whatever methods there are: its freedom, the laws, recovery."""

from __future__ import annotations

import re

import pytest
import torch

from hubmerge.matching import find_matcher, load_match, save_match
from hubmerge.matching.similarity.moments import watching
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import map_tensor, random_symmetry
from hubmerge.symmetry.laws import TOLERANCE, deviation, outputs, prove, spec_of
from hubmerge.symmetry.permutation import (
    identity,
    invert,
    permute,
    permute_tensor,
    random_permutation,
)
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import EVERY, TINY, generic, probe, probe_batches

OTHERS = [name for name in EVERY if name not in TINY]
"""Those of TINY are tested more thoroughly, in the other modules here."""

FIRST = [name for name in OTHERS if name == EVERY[name].family]
every_model = pytest.mark.parametrize("name", OTHERS)


@every_model
def test_its_file_finds_its_freedom_and_all_symmetries_hold(name):
    """An empty spec would obey the law."""
    model = generic(name)
    spec = spec_of(model)
    assert spec.family == EVERY[name].family
    assert spec.free_spaces() == EVERY[name].spaces
    assert prove(model, spec, probe(model), elements=1).deviation < 1e-11


@every_model
def test_what_moves_is_stored(name):
    """Tables that a class makes anew when it loads a model must keep their order."""
    model = generic(name)
    spec = spec_of(model)
    unstored = [re.compile(each) for each in model._keys_to_ignore_on_save or ()]
    moved = {tensor for space in spec.free_spaces() for tensor in spec.touched_by[space]}
    tied = set(getattr(model, "all_tied_weights_keys", None) or {})
    assert not [t for t in moved - tied if any(each.search(t) for each in unstored)]


@every_model
def test_every_space_matters(name):
    """The negative control: permuting or mapping some tensor alone moves the outputs."""
    model = generic(name)
    spec, inputs, state = spec_of(model), probe(model), model.state_dict()
    reference = outputs(model, state, inputs)

    def matters(space, state, alone):
        halves = (
            {**state, tensor: alone(state[tensor], spec.tensors[tensor])}
            for tensor in spec.touched_by[space]
        )
        return any(
            deviation(reference, outputs(model, half, inputs)) > TOLERANCE for half in halves
        )

    for space, index in random_permutation(spec, 6).items():
        shifted = index.roll(1, -1) if torch.equal(index, identity(spec)[space]) else index
        move = {space: shifted}
        assert matters(
            space, state, lambda value, axes, move=move: permute_tensor(spec, value, axes, move)
        ), space
    form = canonical(spec, state)
    for space, matrix in random_symmetry(spec, 3).maps.items():
        maps = {space: matrix}  # on both sides, where one tensor holds both
        assert matters(
            space, form, lambda value, axes, maps=maps: map_tensor(spec, value, axes, maps, maps)
        ), space


@every_model
def test_activations_live_where_the_file_watches_them(name):
    """Every free space is watched, and what is seen there is permuted along with the weights."""
    model = generic(name)
    spec, inputs = spec_of(model), probe(model)
    element, seen = random_permutation(spec, 3), []
    for state in (model.state_dict(), permute(spec, model.state_dict(), element)):
        with watching(model, spec.watches) as eyes:
            outputs(model, state, inputs)
            seen.append({number: value.clone() for number, value in eyes.take().items()})
    assert seen[0].keys() == seen[1].keys() == set(range(len(spec.watches)))
    for number, watch in enumerate(spec.watches):
        moved = permute_tensor(spec, seen[0][number], watch.layout, element)
        torch.testing.assert_close(seen[1][number], moved, rtol=1e-9, atol=1e-9, msg=str(watch))
    watched = {space for watch in spec.watches for space in watch.layout.names()}
    assert set(spec.observed.free_spaces()) == set(spec.free_spaces()) & watched


@pytest.mark.parametrize("name", FIRST)
def test_a_planted_permutation_is_recovered(name):
    model = generic(name)
    spec = spec_of(model).permutations_only
    element = random_permutation(spec, 7)
    planted = permute(spec, model.state_dict(), element)
    found = find_matcher("weights").function(spec, model.state_dict(), planted, seed=0)
    for space, index in invert(spec, element).items():
        assert torch.equal(found.permutation[space], index), space


def test_what_no_module_shows_is_left_to_the_weights(tmp_path):
    """Units inside stacked experts; their experts are seen by what the router says."""
    a, b = generic("mixtral-tied", 0), generic("mixtral-tied", 1)
    spec, matcher = spec_of(a), find_matcher("activations")
    moments = matcher.observe(spec, a, b, probe_batches(a), Workers(threads=1))
    states = (a.state_dict(), b.state_dict())
    found = matcher.function(spec, *states, moments=moments)
    hidden, shown = "model.layers.0.ff", "model.layers.0.expert"
    assert hidden not in found.permutation
    assert shown in found.permutation
    assert hidden in find_matcher("weights").function(spec, *states).permutation
    save_match(found, tmp_path)
    assert load_match(tmp_path, spec).permutation.keys() == found.permutation.keys()
