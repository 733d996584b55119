"""Rows without labels are enough for every matcher that looks at none."""

from __future__ import annotations

import pytest
import torch
from datasets import DatasetDict

import hubmerge as hm
from hubmerge.errors import DataError
from hubmerge.matching import learners, matchers
from hubmerge.models import shaken
from hubmerge.pipeline.find_matches import find_matches
from hubmerge.utils.progress import be_quiet
from tests.helpers import zoo

LEARNERS = learners()
LABEL_FREE = [name for name, matcher in matchers().items() if matcher.needs_data] + [
    name for name, learner in LEARNERS.items() if not learner.labelled
]
LABELLED = [name for name, learner in LEARNERS.items() if learner.labelled]


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders: two MLPs, "labelled" images, and the same ones "unlabelled"."""
    be_quiet()
    place = tmp_path_factory.mktemp("places")
    rows = zoo.rows()
    few = DatasetDict({split: part.select(range(60)) for split, part in rows.items()})
    zoo.write_data(place / "labelled", few)
    zoo.write_data(place / "unlabelled", few.remove_columns("label"))
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = shaken(zoo.mlp(zoo.labelled(), hidden_sizes=[12]), seed)
        zoo.write_model(place / f"mlp-{seed}", model, "mlp")
    return place


def models(places):
    return tuple(str(places / f"mlp-{seed}") for seed in (1, 2))


def found(places, kind, method):
    steps = {"learning_steps": 3} if method in LEARNERS else {}
    dataset = str(places / kind)
    recipe = hm.Recipe(models=models(places), match=method, dataset=dataset, **steps)
    (match,) = find_matches(recipe)
    return match


@pytest.mark.parametrize("method", ["auto", *LABEL_FREE])
def test_labels_change_nothing_for_a_matcher_that_looks_at_none(method, places):
    with_labels, without = (found(places, kind, method) for kind in ("labelled", "unlabelled"))
    assert with_labels.permutation
    for space, order in with_labels.permutation.items():
        assert torch.equal(order, without.permutation[space])


@pytest.mark.parametrize("method", LABELLED)
def test_a_matcher_that_learns_from_labels_is_refused_without(method, places):
    with pytest.raises(DataError, match="no column that is clearly the label"):
        found(places, "unlabelled", method)


def test_in_memory_the_same_holds(places):
    """For matching, and for fusions that look at rows but not at labels."""
    a, b = (hm.load(model) for model in models(places))
    rows = str(places / "unlabelled")
    aligned = hm.match(a, b, by="activations", dataset=rows).apply(b)
    for fuse in ("average", "least-squares", "fisher"):
        states = [
            hm.merge(a, aligned, fuse=fuse, dataset=str(places / kind)).model.state_dict()
            for kind in ("labelled", "unlabelled")
        ]
        assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    for fuse in ("learned-soup", "auto"):
        with pytest.raises(DataError, match="no column that is clearly the label"):
            hm.merge(a, aligned, fuse=fuse, dataset=rows)
    with pytest.raises(DataError, match="no column that is clearly the label"):
        hm.match(a, b, by="straight-through", dataset=rows)


def test_a_merge_which_would_be_measured_says_how_to_do_without_labels(places, tmp_path):
    rows, pair = str(places / "unlabelled"), models(places)
    recipe = hm.Recipe(models=pair, dataset=rows)
    with pytest.raises(DataError, match="find the alignment on the rows first"):
        hm.run(recipe, hm.Destination(out=tmp_path / "merge"))
    find_matches(hm.Recipe(models=pair, match="activations", dataset=rows), tmp_path / "found")
    given = hm.Recipe(models=pair, alignment=str(tmp_path / "found"))
    assert hm.run(given, hm.Destination(out=tmp_path / "merge")).report.method.spaces
