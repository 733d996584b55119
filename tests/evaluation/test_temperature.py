from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.models.class_outputs import cross_entropy
from hubmerge.models.temperature import HIGHEST, LOWEST, fit_temperature


def calibrated(rows, seed=0, classes=5):
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(rows, classes)) * 2
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return logits, (p.cumsum(axis=1) > draw.random((rows, 1))).argmax(axis=1)


@pytest.mark.parametrize("planted", [0.3, 1.0, 2.5, 8.0])
def test_a_planted_temperature_is_recovered(planted):
    logits, labels = calibrated(20_000)
    assert fit_temperature(logits * planted, labels) == pytest.approx(planted, rel=0.03)


@given(seed=st.integers(0, 10_000), rows=st.integers(1, 40), scale=st.floats(0, 50))
def test_validation_loss_never_rises(seed, rows, scale):
    logits, _ = calibrated(rows, seed)
    labels = np.random.default_rng(seed).integers(5, size=rows)
    temperature = fit_temperature(logits * scale, labels)
    assert LOWEST <= temperature <= HIGHEST
    after = cross_entropy(logits * scale, labels, temperature).mean()
    assert after <= cross_entropy(logits * scale, labels).mean() + 1e-9


def test_a_faultless_contender_is_not_made_infinitely_sure():
    logits, _ = calibrated(72)
    labels = logits.argmax(axis=1)
    temperature = fit_temperature(logits, labels)
    assert LOWEST < temperature < 1
    # One mistake by the mean margin then costs nats, not hundreds of them.
    assert cross_entropy(logits, logits.argsort(axis=1)[:, -2], temperature).mean() < 20


def test_a_contender_that_is_always_wrong_gets_a_high_temperature():
    logits, _ = calibrated(50)
    assert fit_temperature(logits * 10, logits.argmin(axis=1)) == pytest.approx(HIGHEST)


def test_equal_logits_fit_at_any_temperature():
    assert LOWEST <= fit_temperature(np.zeros((4, 3)), np.zeros(4, dtype=int)) <= HIGHEST


def test_a_constant_added_to_a_row_changes_nothing():
    logits, labels = calibrated(100)
    moved = logits + np.arange(100)[:, None]
    assert fit_temperature(moved, labels) == pytest.approx(fit_temperature(logits, labels))
