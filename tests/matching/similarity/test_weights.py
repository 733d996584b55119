"""Similarities brought up to date are those made anew, whatever moved and whatever is unknown."""

from __future__ import annotations

import pytest
import torch

from hubmerge.matching.similarity.weights import (
    group_similarities,
    parameters,
    updated_similarities,
)
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import blur, identity, permute_tensor, random_permutation
from tests.helpers.tiny import generic

MODELS = ["vit", "resnet-basic", "mlp_head-layer"]


@pytest.fixture(params=MODELS)
def problem(request):
    spec = spec_of(generic(request.param)).permutations_only
    return spec, *(generic(request.param, seed).state_dict() for seed in (0, 1))


def test_what_moved_is_all_that_need_be_multiplied(problem):
    spec, anchor, other = problem
    start = identity(spec)
    for group in spec.groups:
        similarities = group_similarities(spec, anchor, other, group, start)
        earlier = start
        for seed in range(3):
            moved = random_permutation(spec, seed)
            only = {**earlier, **dict(list(moved.items())[seed::2])}
            updated_similarities(spec, anchor, other, group, only, earlier, similarities)
            anew = group_similarities(spec, anchor, other, group, only)
            assert similarities.keys() == anew.keys()
            for space, values in anew.items():
                torch.testing.assert_close(similarities[space], values)
            earlier = only


def test_an_unknown_space_counts_as_the_mean_over_its_units(problem):
    """Averaging before the product or averaging the units themselves: the same similarity."""
    spec, anchor, other = problem
    permutation = random_permutation(spec, 5)
    for group in spec.groups:
        for unknown in _some(set(spec.free_spaces()) - set(group.members)):
            quick = group_similarities(spec, anchor, other, group, permutation, unknown)
            mean = dict(other)
            rest = {n: i for n, i in permutation.items() if n not in group.members}
            for tensor in parameters(spec, group.members):
                layout = spec.tensors[tensor]
                moved = permute_tensor(spec, other[tensor], layout, rest)
                mean[tensor] = blur(spec, moved, layout, unknown)
            plain = group_similarities(spec, anchor, mean, group, {})
            for space, values in plain.items():
                torch.testing.assert_close(quick[space], values)


def _some(names):
    ordered = sorted(names)
    return [frozenset(ordered), frozenset(ordered[::2]), frozenset(ordered[:1])]
