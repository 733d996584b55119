"""What people wrote into model_specs/, beside what derivation finds on the same tiny models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hubmerge.derivation.derive import Derived, derive
from hubmerge.derivation.ensure import named
from hubmerge.specs.family import load_families
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import prove, spec_of
from tests.helpers.tiny import EVERY, fresh, generic, probe

FIRST = {
    family.name: next(iter(family.tiny_models)) for family in load_families().families.values()
}


def _models() -> Iterator[Any]:
    for name in EVERY:
        yield pytest.param(name, marks=() if name in FIRST.values() else pytest.mark.slow)


def _found(name: str) -> Derived:
    model = fresh(name)
    return derive(named(model.config, type(model)), type(model))


def _spaces(spec: Spec) -> dict[tuple[str, ...], tuple[str, str, int]]:
    """Free spaces by the tensors they run along, which both have in common: name, kind, size."""
    return {
        tuple(sorted(spec.touched_by[name])): (name, spec.spaces[name].may, size)
        for name, size in spec.free_spaces().items()
    }


@pytest.mark.parametrize("name", [*_models()])
def test_derivation_finds_what_is_written(name: str) -> None:
    """The same free spaces, each with the same symmetries, or the file says why not."""
    reviewed, found = spec_of(generic(name)), _found(name).spec
    ours, theirs = _spaces(found), _spaces(reviewed)
    differing = {kept[0] for along, kept in theirs.items() if ours.get(along, kept)[1:] != kept[1:]}
    differing |= {kept[0] for along, kept in theirs.items() if along not in ours}
    differing |= {kept[0] for along, kept in ours.items() if along not in theirs}
    explained = EVERY[name].model.differs
    assert {space.rpartition(".")[2] for space in differing} == set(explained), differing
    if not explained:
        assert len(found.behind) >= len(reviewed.behind)
        assert len(found.gates) == len(reviewed.gates)
    proof = prove(generic(name), found, probe(generic(name)), elements=1)
    assert proof.deviation < 1e-9
