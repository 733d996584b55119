"""The costs of activation matching are what their names say."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score

from hubmerge.matching.methods.activations_distance import shared_power
from hubmerge.matching.methods.activations_information import (
    measure_information,
    mutual_information,
)
from hubmerge.matching.methods.activations_transport import coupling
from hubmerge.matching.similarity.moments import measure_moments
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.workers import Workers
from tests.helpers.tiny import generic, probe_batches
from tests.matching.similarity.test_moments import seen


def test_mutual_information_is_that_of_the_counts():
    generator = np.random.default_rng(0)
    a, b = generator.integers(0, 3, (200, 2)), generator.integers(0, 3, (200, 4))
    b[:, 1] = a[:, 0]  # fully known
    one_hot = [torch.nn.functional.one_hot(torch.tensor(x), 3).flatten(1).double() for x in (a, b)]
    found = mutual_information(one_hot[0].T @ one_hot[1])
    for i in range(2):
        for j in range(4):
            assert float(found[i, j]) == pytest.approx(
                mutual_info_score(a[:, i], b[:, j]), abs=1e-12
            )
    assert found[0].argmax() == 1


def test_a_code_that_never_occurs_adds_nothing():
    counts = torch.zeros(3, 3, dtype=torch.float64)
    counts[0, 0] = counts[2, 2] = 5
    assert float(mutual_information(counts)) == pytest.approx(math.log(2))
    assert float(mutual_information(torch.zeros(3, 3, dtype=torch.float64))) == 0


def test_a_unit_has_most_information_about_itself():
    model = generic("mlp_head-none")
    spec = spec_of(model)
    moments = measure_information(spec, model, model, probe_batches(model), Workers(threads=1))
    for watch, joint in moments.joint.items():
        alive = joint.deviations[0] > 0
        own = joint.information.diagonal()
        assert (joint.information <= own[:, None] + 1e-12).all(), watch
        assert (own[alive] > 0).any()


def test_the_distance_is_the_squared_distance_up_to_what_no_order_changes():
    a, b = generic("mlp_head-none", 0), generic("mlp_head-none", 1)
    spec, batches = spec_of(a), probe_batches(a)
    moments = measure_moments(spec, a, b, batches, Workers(threads=1))
    for watch, ours, theirs in zip(
        spec.watches, seen(a, spec, batches), seen(b, spec, batches), strict=True
    ):
        alike = shared_power(moments.joint[watch]).numpy()
        scale = math.sqrt((ours**2).mean() * (theirs**2).mean())
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(ours.shape[1])
            distance = ((ours - theirs[:, order]) ** 2).mean(0).sum()
            constant = (ours**2).mean(0).sum() + (theirs**2).mean(0).sum()
            matched = alike[np.arange(len(order)), order].sum() * scale
            assert distance == pytest.approx(constant - 2 * matched, rel=1e-6)


def test_a_coupling_is_doubly_stochastic_and_favours_what_is_alike():
    generator = torch.Generator().manual_seed(0)
    similarity = torch.rand(9, 9, generator=generator, dtype=torch.float64)
    plan = coupling(similarity)
    torch.testing.assert_close(plan.sum(0), torch.ones(9, dtype=torch.float64), atol=1e-5, rtol=0)
    torch.testing.assert_close(plan.sum(1), torch.ones(9, dtype=torch.float64), atol=1e-5, rtol=0)
    hard = coupling(similarity, softness=1e-3)
    soft = coupling(similarity, softness=10.0)
    assert hard.max() > 0.9
    torch.testing.assert_close(soft, torch.full_like(soft, 1 / 9), atol=0.02, rtol=0)
    assert float((hard * similarity).sum()) > float((plan * similarity).sum())
