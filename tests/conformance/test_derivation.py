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
from tests.helpers.tiny import TINY, fresh, generic, probe

FIRST = {
    family.name: next(iter(family.tiny_models)) for family in load_families().families.values()
}


def _models() -> Iterator[Any]:
    for name in TINY:
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


@pytest.mark.parametrize("name", _models())
def test_derivation_finds_what_is_written(name: str) -> None:
    """The same free spaces or more, each with the same symmetries; the law holds on the model."""
    reviewed, found = spec_of(generic(name)), _found(name).spec
    ours, theirs = _spaces(found), _spaces(reviewed)
    missing = {kept[0]: kept[1:] for along, kept in theirs.items() if along not in ours}
    assert not missing, "free in the file, not by derivation"
    for along, (space, may, size) in theirs.items():
        assert ours[along][1:] == (may, size), space
    assert len(found.behind) >= len(reviewed.behind)
    assert len(found.gates) == len(reviewed.gates)
    proof = prove(generic(name), found, probe(generic(name)), elements=1)
    assert proof.deviation < 1e-9
