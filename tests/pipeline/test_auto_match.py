"""`--match auto` tries what the data allow, and keeps the best on validation rows."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from hubmerge.errors import CanonicalError
from hubmerge.evaluation.results import Score
from hubmerge.pipeline import auto_match as cascade
from hubmerge.pipeline.auto_match import (
    MatchConfig,
    best_match,
    first_configs,
    scale_configs,
    surely_better,
)
from hubmerge.symmetry.laws import spec_of
from tests.helpers.tiny import generic

ROWS = SimpleNamespace(rows=10)


@pytest.fixture
def scored(monkeypatch):
    """A merge is worth the number it is, on every row; nothing is run."""
    monkeypatch.setattr(cascade, "outputs", lambda model, *rest: Said(model))
    monkeypatch.setattr(
        cascade,
        "score",
        lambda given, _: Score(
            loss=9.0,
            calibrated_loss=given.loss,
            accuracy=1 - given.loss,
            calibration_error=None,
            n=10,
        ),
    )


@dataclass
class Said:
    loss: float

    def losses(self, temperature):
        return np.full(10, self.loss)


@dataclass(frozen=True)
class Moving:
    """A match, by name."""

    name: str
    moves: bool = True


def chosen(losses, validation=ROWS, then=lambda best: (), still=9.0, closer=lambda found: found):
    """The way taken where every way's merge has the loss given, and the attempts.

    still: the loss of the models as they came.
    """
    tried = [MatchConfig(name, "scales") for name in losses if "+" not in name]

    def match(way):
        if losses[way.match] is None:
            raise CanonicalError("no form")
        return (Moving(way.match),)

    def merge(matches):
        return losses[matches[0].name] if matches else still

    found, attempts = best_match(tried, match, merge, validation, None, then, closer)
    left = [each for each in attempts if each.match == "none"]
    assert bool(left) == (not found)
    assert all(each.chosen and each.loss == still for each in left)
    return tuple(each.name for each in found), tuple(a for a in attempts if a.match != "none")


def test_the_least_loss_is_kept_and_all_are_reported(scored):
    found, attempts = chosen({"a": 0.5, "b": 0.2, "c": 0.3})
    assert found == ("b",)
    assert [(each.match, each.loss, each.chosen) for each in attempts] == [
        ("a", 0.5, False),
        ("b", 0.2, True),
        ("c", 0.3, False),
    ]


def test_the_first_wins_a_tie(scored):
    assert chosen({"a": 0.2, "b": 0.2})[0] == ("a",)


def test_a_way_without_a_canonical_form_is_left_out(scored):
    found, attempts = chosen({"a": None, "b": 0.2})
    assert found == ("b",)
    assert [each.match for each in attempts] == ["b"]
    with pytest.raises(CanonicalError):
        chosen({"a": None, "b": None})


def test_what_comes_next_depends_on_the_best_and_must_beat_it(scored):
    def then(best):
        return [MatchConfig(best.match + "+", "all")]

    found, attempts = chosen({"a": 0.5, "b": 0.3, "b+": 0.2}, then=then)
    assert found == ("b+",)
    assert [each.description for each in attempts] == ["a", "b", "b+, inputs of batch norms scaled"]
    assert [each.chosen for each in attempts] == [False, False, True]
    assert chosen({"a": 0.5, "b": 0.3, "b+": 0.3}, then=then)[0] == ("b",)
    assert chosen({"a": 0.2, "a+": None}, then=then)[0] == ("a",)
    assert chosen({"a": 0.2})[0] == ("a",)


def test_scales_are_tried_where_there_are_any_and_none_were_chosen():
    vit, resnet = spec_of(generic("vit")), spec_of(generic("resnet-basic"))
    mlp = spec_of(generic("mlp_head-none"))
    best = MatchConfig("activations", "scales")
    less, more = MatchConfig("activations", "maps"), MatchConfig("activations", "all")
    assert scale_configs(resnet, best, "auto") == (less, more)
    assert scale_configs(mlp, best, "auto") == (less,)
    assert scale_configs(vit, best, "auto") == scale_configs(resnet, best, "scales") == ()


def test_what_brings_models_no_closer_must_be_surely_better_than_leaving_them(scored):
    def kept(still, loss):
        return chosen({"a": loss}, still=still, closer=lambda found: (Moving("a", moves=False),))[0]

    assert kept(still=0.2, loss=0.2) == ()
    assert kept(still=0.2, loss=0.3) == ()
    assert kept(still=0.3, loss=0.2) == ("a",)
    assert chosen({"a": 0.2}, still=0.2)[0] == ("a",)
    assert chosen({"a": 0.3}, still=0.2)[0] == ()


def test_what_chance_could_do_is_not_surely_better():
    even = np.linspace(0.0, 1.0, 30)
    assert surely_better(even, even + 0.1)
    assert not surely_better(even, even)
    assert not surely_better(even, even[::-1] + 0.1)
    assert not surely_better(even[:1], even[:1] + 0.1)
    assert surely_better(even, even + np.inf)
    assert not surely_better(even + np.inf, even)


def test_without_validation_rows_the_first_is_taken_unmeasured(scored):
    assert chosen({"a": 0.5, "b": 0.2}, None) == (("a",), ())
    assert chosen({"a": 0.5, "b": 0.2}, SimpleNamespace(rows=0)) == (("a",), ())


def test_what_is_tried_depends_on_data_and_family():
    vit, resnet = spec_of(generic("vit")), spec_of(generic("resnet-basic"))
    assert [str(way) for way in first_configs(vit, calibration=True, images=True)] == [
        "activations-weights",
        "activations",
        "activations, permutations only",
    ]
    assert len(first_configs(resnet, calibration=True, images=True)) == 2
    assert len(first_configs(vit, calibration=True, images=True, symmetry="permutations")) == 2
    assert MatchConfig("activations-weights", "all") not in first_configs(
        vit, calibration=True, images=True, many=True
    )
    assert first_configs(vit, calibration=False, images=True) == (
        MatchConfig("synthetic", "scales"),
    )
    assert first_configs(resnet, calibration=False, images=True, symmetry="all") == (
        MatchConfig("synthetic", "all"),
    )
    assert first_configs(vit, calibration=False, images=False) == (
        MatchConfig("weights", "scales"),
    )


def test_parents_can_be_restricted_to_permutations():
    from hubmerge.pipeline.parents import Parents

    spec = spec_of(generic("vit"))
    parents = Parents((), spec, ())
    assert parents.with_symmetry("all").spec is spec
    assert not Parents((), spec_of(generic("resnet-basic")), ()).with_symmetry("maps").spec.scales
    assert not parents.with_symmetry("permutations").spec.mapped_spaces()
    assert Parents((), None, ()).with_symmetry("permutations").spec is None
