"""What people wrote into model_specs/, beside what derivation finds on the same tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

from hubmerge.derivation.derive import Derived, derive
from hubmerge.matching import find_matcher
from hubmerge.specs.family import named
from hubmerge.specs.notation import short
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import prove, spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from tests.helpers.tiny import EVERY, EVERY_FIRST, fresh, generic, probe

COMPARED = (
    "gpt2",
    "llama",
    "mlp_head",
    "resnet",
    "vit",
    "convnextv2",
    "deberta_v2",
    "mixtral",
    "phi3",
    "qwen3",
)
"""Families of every kind of space, and of every way in which a block is built. The others repeat
these, take seconds, and are slow."""


def _models() -> Iterator[Any]:
    first = [EVERY_FIRST[family] for family in COMPARED]
    for name, tiny in EVERY.items():
        yield pytest.param(name, marks=() if tiny in first else pytest.mark.slow)


def _found(name: str) -> Derived:
    model = fresh(name)
    return derive(named(model.config, type(model)), type(model))


Kind = tuple[tuple[str, ...], str, int]
"""A free space: the tensors it runs along, its kind, its size."""


def _spaces(spec: Spec) -> dict[Kind, str]:
    """Free spaces, whatever they are called: the names of their lines."""
    return {
        (tuple(sorted(spec.touched_by[name])), spec.spaces[name].may, size): short(name)
        for name, size in spec.free_spaces().items()
    }


@pytest.mark.parametrize("name", [*_models()])
def test_derivation_finds_what_is_written(name: str) -> None:
    """The same free spaces, each with the same symmetries, or the file says why not."""
    reviewed, found = spec_of(generic(name)), _found(name).spec
    ours, theirs = _spaces(found), _spaces(reviewed)
    differing = {space for kind, space in theirs.items() if kind not in ours}
    # What derivation finds in place of a space that differs lies along tensors of the same.
    excused = {t for kind in theirs for t in kind[0] if kind not in ours}
    left = {kind: space for kind, space in ours.items() if kind not in theirs}
    differing |= {space for kind, space in left.items() if not excused.issuperset(kind[0])}
    explained = EVERY[name].model.differs
    assert differing == set(explained)
    if not explained:
        assert len(found.behind) >= len(reviewed.behind)
        assert len(found.gates) == len(reviewed.gates)
    proof = prove(generic(name), found, probe(generic(name)), elements=1)
    assert proof.deviation < 1e-9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bert", "convnext", "llama", "vit"])
def test_matching_by_either_spec_gives_the_same_merge(name: str) -> None:
    """Under noise as well: the parents' mean is the same to the bit."""
    model = generic(name)
    reviewed = spec_of(model).permutations_only
    state, generator = model.state_dict(), torch.Generator().manual_seed(0)
    other = {
        tensor: value + 0.3 * value.std() * torch.randn(value.shape, generator=generator)
        if value.numel() > 1
        else value
        for tensor, value in permute(reviewed, state, random_permutation(reviewed, 5)).items()
    }
    means = []
    for spec in (reviewed, _found(name).spec.permutations_only):
        moved = find_matcher("weights").function(spec, state, other, seed=0).apply(other)
        means.append({tensor: (value + moved[tensor]) / 2 for tensor, value in state.items()})
    assert means[0].keys() == means[1].keys()
    assert all(torch.equal(value, means[1][tensor]) for tensor, value in means[0].items())
    assert any(not torch.equal(value, state[tensor]) for tensor, value in means[0].items())
