"""Products in bfloat16: off by no more than is said, and trusted only where that cannot matter."""

from __future__ import annotations

import pytest
import torch

from hubmerge.matching.similarity.bfloat16 import ROUNDING, is_certified_optimal, lengths
from hubmerge.matching.similarity.weights import group_similarities
from hubmerge.matching.solvers.group_assignment import best_element
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import identity, invert, permute, random_permutation
from tests.helpers.tiny import generic

MODELS = ["vit", "resnet-basic", "mlp_head-layer"]


@pytest.fixture(params=MODELS)
def problem(request):
    spec = spec_of(generic(request.param)).permutations_only
    return spec, *(generic(request.param, seed).state_dict() for seed in (0, 1))


def products(problem, group, dtype):
    spec, anchor, other = problem
    return group_similarities(spec, anchor, other, group, identity(spec), products=dtype)


def test_rounding_is_bounded(problem):
    spec, anchor, other = problem
    for group in spec.groups:
        exact, rough = (products(problem, group, d) for d in (torch.float64, torch.bfloat16))
        longest = lengths(spec, group, anchor, other)
        for space, values in exact.items():
            units = values.shape[: values.ndim // 2].numel()
            off = (rough[space] - values).abs().reshape(units, units)
            ours, theirs = longest[space]
            assert (off <= ROUNDING * ours[:, None] * theirs).all()
            assert (off > 0).any()


def test_what_is_sure_is_what_exact_products_choose(problem):
    """Strangers leave room for doubt."""
    spec, anchor, other = problem
    answers = []
    for group in spec.groups:
        rough, exact = (products(problem, group, d) for d in (torch.bfloat16, torch.float64))
        before = {space: values.clone() for space, values in rough.items()}
        best = best_element(spec, group, rough).permutation
        answers.append(
            is_certified_optimal(spec, group, rough, best, lengths(spec, group, anchor, other))
        )
        assert all(torch.equal(rough[space], values) for space, values in before.items())
        if answers[-1]:
            wanted = best_element(spec, group, exact).permutation
            assert all(torch.equal(best[space], wanted[space]) for space in wanted)
    assert not all(answers)


def test_a_match_is_sure_where_units_are_nothing_alike(problem):
    spec, anchor, _ = problem
    generator = torch.Generator().manual_seed(0)
    drawn = {n: torch.randn(v.shape, generator=generator) for n, v in anchor.items()}
    for group in spec.groups:
        own = {n: i for n, i in random_permutation(spec, 4).items() if n in group.members}
        moved = permute(spec, drawn, own)
        rough = products((spec, drawn, moved), group, torch.bfloat16)
        best = best_element(spec, group, rough).permutation
        undone = invert(spec, own)
        assert all(torch.equal(best[space], undone[space]) for space in undone)
        longest = lengths(spec, group, drawn, moved)
        assert is_certified_optimal(spec, group, rough, best, longest)
        wrong = {n: i.roll(1, -1) for n, i in best.items()}
        assert not is_certified_optimal(spec, group, rough, wrong, longest)
