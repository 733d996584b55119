"""Leaving models as they came is one more candidate of every match, and wins ties."""

from __future__ import annotations

import pytest
import torch

from hubmerge.matching import find_matcher
from hubmerge.matching.identity import where_closer
from hubmerge.specs.spec import SCALES
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from tests.helpers.tiny import generic

every_family = pytest.mark.parametrize(
    "name", ["gpt2-untied", "llama", "mlp_head-none", "resnet-basic", "vit"]
)
DISTANCES = (1e-4, 0.01, 0.1, 0.3, 0.6)
"""Of fine-tunes from their base, in deviations of each tensor."""


def fine_tuned(state, distance, seed):
    generator = torch.Generator().manual_seed(seed)

    def moved(value):
        noise = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        spread = value.std() if value.numel() > 1 else value.abs()
        return value + (distance * spread.nan_to_num() * noise).to(value.dtype)

    return {
        name: moved(value) if value.is_floating_point() and "running" not in name else value
        for name, value in state.items()
    }


def by_weights(spec, first, other):
    match = find_matcher("weights").function(spec, first, other)
    return where_closer([first, other], [match])[0]


@every_family
@pytest.mark.parametrize("distance", DISTANCES)
def test_fine_tunes_of_one_base_are_left_as_they_came(name, distance):
    model = generic(name)
    spec, base = spec_of(model).allowing(SCALES), model.state_dict()
    first, other = (fine_tuned(base, distance, seed) for seed in (1, 2))
    match = by_weights(spec, first, other)
    assert not match.moves
    assert not match.formed
    assert [space.moved for space in match.spaces] == [0] * len(match.spaces)
    assert all(space.gain == 0 for space in match.spaces)
    assert all(space.correlation > 0.4 for space in match.spaces)


@every_family
def test_a_permuted_copy_is_put_in_order(name):
    model = generic(name)
    spec, state = spec_of(model).allowing(SCALES), model.state_dict()
    copy = permute(spec, state, random_permutation(spec, 3))
    match = by_weights(spec, state, copy)
    assert match.moves
    assert sum(space.moved for space in match.spaces) > 0


@every_family
def test_a_model_of_which_one_space_is_reordered_is_put_in_order(name):
    model = generic(name)
    spec, state = spec_of(model).allowing(SCALES), model.state_dict()
    space = next(s for s in spec.ordered_spaces() if s.endswith((".ff", ".mid", ".y")))
    copy = permute(spec, state, {space: random_permutation(spec, 3)[space]})
    match = by_weights(spec, state, copy)
    moved = {each.space: each.moved for each in match.spaces if each.moved}
    assert moved.keys() == {space}


@every_family
def test_a_stranger_is_matched(name):
    first, other = generic(name, 0), generic(name, 1)
    spec = spec_of(first).allowing(SCALES)
    match = by_weights(spec, first.state_dict(), other.state_dict())
    assert match.moves
    assert any(space.moved for space in match.spaces)


@every_family
@pytest.mark.parametrize("distance", [1e-4, 0.1])
def test_nothing_is_said_to_have_moved_or_gained_between_fine_tunes(name, distance):
    """Even by a match that is not compared with the identity: what was before, was in both models'
    own coordinates."""
    model = generic(name)
    spec, base = spec_of(model).allowing(SCALES), model.state_dict()
    first, other = (fine_tuned(base, distance, seed) for seed in (1, 2))
    for space in find_matcher("weights").function(spec, first, other).spaces:
        assert space.moved == 0, space
        assert abs(space.gain) < 0.2 * distance + 1e-6, space
