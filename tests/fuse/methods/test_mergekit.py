"""Our fusions against mergekit's own output on the same small Llama checkpoints."""

from __future__ import annotations

import pytest
import torch

from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.methods import dare
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.models.method_context import MethodContext
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.workers import Workers
from tests.helpers.mergekit_merges import (
    CHECKPOINTS,
    DENSITY,
    METHODS,
    OUTLIERS,
    WEIGHTS,
    by_mergekit,
    fixed_mask,
    read,
)

OPTIONS = {
    "ties": {"density": DENSITY},
    "dare": {"density": DENSITY},
    "dare-ties": {"density": DENSITY},
    "breadcrumbs": {"density": DENSITY, "outliers": OUTLIERS},
}


@pytest.fixture(scope="module")
def merges():
    return read()


@pytest.mark.parametrize("method", METHODS)
def test_what_we_make_is_what_mergekit_made(method, merges, monkeypatch):
    monkeypatch.setattr(dare, "mask", lambda delta, density, named: fixed_mask(delta))
    names, weights = list(WEIGHTS), list(WEIGHTS.values())
    if method == "slerp":
        names, weights = ["a", "b"], [0.7, 0.3]
    config = MlpHeadConfig(input_size=2, hidden_sizes=[2], num_labels=2)
    context = MethodContext(None, MlpHeadForClassification(config), NoBatches(), Workers(threads=1))
    given = Given(base=merges["base"], options=OPTIONS.get(method, {}))
    found = find_fusion(method).fuse([merges[name] for name in names], weights, context, given)
    assert found.keys() == merges[method].keys()
    for name, value in merges[method].items():
        assert not torch.equal(value, merges["base"][name])
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_mergekit_still_makes_it(method, merges, tmp_path):
    pytest.importorskip("mergekit", reason="pip install 'hubmerge[compare]'")
    states = {name: merges[name] for name in CHECKPOINTS}
    for name, value in by_mergekit(states, method, tmp_path).items():
        torch.testing.assert_close(value, merges[method][name], rtol=1e-6, atol=1e-7)
