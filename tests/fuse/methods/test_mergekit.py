"""Our fusions against mergekit's own output on the same small Llama checkpoints."""

from __future__ import annotations

import pytest
import torch

from hubmerge.fuse import Given, find_fusion
from hubmerge.fuse.methods import dare, della_linear
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
    WINDOW,
    WITHOUT_BASE,
    by_mergekit,
    fixed_mask,
    likely,
    parents_of,
    read,
)

OPTIONS = {
    "ties": {"density": DENSITY},
    "dare": {"density": DENSITY},
    "dare-ties": {"density": DENSITY},
    "dare/norm": {"density": DENSITY, "rescale": "norm"},
    "breadcrumbs": {"density": DENSITY, "outliers": OUTLIERS},
    "breadcrumbs-ties": {"density": DENSITY, "outliers": OUTLIERS},
    "breadcrumbs-ties/summed": {"density": DENSITY, "outliers": OUTLIERS, "normalize": False},
    "della": {"density": DENSITY, "epsilon": WINDOW, "rescale": "norm"},
    "della-linear": {"density": DENSITY, "epsilon": WINDOW, "rescale": "none"},
    "nuslerp/rows": {"along": "rows"},
    "nuslerp/columns": {"along": "columns"},
    "karcher": {"max_iter": 20, "tol": 1e-6},
    "sce/half": {"select_topk": 0.5},
    "ram": {"epsilon": 0.3},
    "ramplus-tl": {"epsilon": 0.3, "r": 0.5, "alpha": 2.0},
    "nearswap": {"t": 0.1},
}


SPARSE = ("della", "della-linear", "arcee-fusion", "ram", "ramplus-tl", "breadcrumbs-ties/summed")
"""What may leave a small tensor as it is."""


@pytest.fixture(scope="module")
def merges():
    return read()


@pytest.mark.parametrize("method", METHODS)
def test_what_we_make_is_what_mergekit_made(method, merges, monkeypatch):
    monkeypatch.setattr(dare, "mask", lambda delta, density, named: fixed_mask(delta))
    monkeypatch.setattr(della_linear, "sampled", lambda chance, named: likely(chance).bool())
    names = parents_of(method)
    weights = [WEIGHTS[name] / sum(WEIGHTS[each] for each in names) for name in names]
    if method == "slerp":
        weights = [0.7, 0.3]
    if method == "karcher":
        weights = [1 / 3] * 3
    config = MlpHeadConfig(input_size=2, hidden_sizes=[2], num_labels=2)
    context = MethodContext(None, MlpHeadForClassification(config), NoBatches(), Workers(threads=1))
    base = None if method in WITHOUT_BASE else merges["base"]
    given = Given(base=base, options=OPTIONS.get(method, {}))
    found = find_fusion(method.partition("/")[0]).fuse(
        [merges[name] for name in names], weights, context, given
    )
    assert found.keys() == merges[method].keys()
    for name, value in merges[method].items():
        assert method in SPARSE or not torch.equal(value, merges["base"][name])
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)


@pytest.mark.parametrize("method", METHODS)
def test_mergekit_still_makes_it(method, merges, tmp_path):
    pytest.importorskip("mergekit", reason="pip install 'hubmerge[compare]'")
    states = {name: merges[name] for name in CHECKPOINTS}
    for name, value in by_mergekit(states, method, tmp_path).items():
        torch.testing.assert_close(value, merges[method][name], rtol=1e-6, atol=1e-7)
