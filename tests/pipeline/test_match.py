"""Matchers that look at the same of the same parents share one look."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from hubmerge.pipeline.match import LastSeen, MatchRows, MatchSettings, match_parents
from hubmerge.pipeline.parents import Parents
from hubmerge.specs.spec import PERMUTATIONS
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import ProbeBatch, generic, probe


class Counted(list):
    """Batches that count how often one was read."""

    read = 0

    def __getitem__(self, number):
        self.read += 1
        return super().__getitem__(number)


def test_what_was_seen_is_looked_at_again_only_for_other_symmetries():
    models = [generic("llama"), generic("llama", seed=1)]
    states = tuple(model.state_dict() for model in models)
    loaded = tuple(SimpleNamespace(model=model) for model in models)
    parents = Parents(loaded, spec_of(models[0]), states)
    batches = Counted([ProbeBatch(probe(models[0], rows=20, dtype=torch.float32))])

    def found(name, parents, seen):
        rows = MatchRows(batches=batches, seen=seen)
        (match,) = match_parents(parents, MatchSettings(matcher=name), rows, Workers(threads=1))
        return match.symmetry

    seen, fewer = LastSeen(), parents.with_symmetry(PERMUTATIONS)
    first = found("activations-weights", parents, seen)
    looks = batches.read
    shared = found("activations", parents, seen)
    assert batches.read == looks > 0
    permuted = found("activations", fewer, seen)
    assert batches.read == 2 * looks
    assert first.maps
    assert not permuted.maps
    alone = found("activations", parents, None)
    assert all(torch.equal(shared.maps[name], matrix) for name, matrix in alone.maps.items())
