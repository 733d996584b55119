from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch.nn import functional as F

from hubmerge.evaluation.score import score, temperature_of
from hubmerge.models.class_outputs import (
    ClassOutputs,
    calibration_error,
    correct,
    cross_entropy,
    mean_prediction,
)


def drawn(rows: int, seed: int = 0, scale: float = 2.0) -> ClassOutputs:
    """Labels drawn from the very probabilities the logits state: perfectly calibrated."""
    draw = np.random.default_rng(seed)
    logits = draw.normal(size=(rows, 5)) * scale
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (p.cumsum(axis=1) > draw.random((rows, 1))).argmax(axis=1)
    return ClassOutputs(logits, labels)


def test_loss_is_torchs_cross_entropy():
    found = drawn(50)
    expected = F.cross_entropy(
        torch.tensor(found.logits) / 1.7, torch.tensor(found.labels), reduction="none"
    )
    assert np.allclose(cross_entropy(found.logits, found.labels, 1.7), expected.numpy())


def test_large_logits_have_a_finite_loss():
    logits = np.array([[1e4, 0.0], [0.0, 1e4]])
    assert cross_entropy(logits, np.array([0, 0])).tolist() == [0.0, 1e4]


def test_accuracy_counts_rows_and_a_row_of_nan_is_wrong():
    logits = np.array([[2.0, 1.0], [0.0, 1.0], [np.nan, 1.0]])
    assert correct(logits, np.array([0, 0, 0])).tolist() == [True, False, False]


def test_a_calibrated_contender_has_no_calibration_error_and_a_boastful_one_has():
    honest = drawn(40_000)
    assert calibration_error(honest.logits, honest.labels) < 0.01
    assert calibration_error(honest.logits * 3, honest.labels) > 0.1


def test_calibration_error_by_hand():
    # Confidence 0.8 twice, once right: |1 - 2 * 0.8| / 2; the bins hold their upper edge.
    logits = np.log(np.array([[0.8, 0.2], [0.8, 0.2]]))
    assert calibration_error(logits, np.array([0, 1])) == pytest.approx(0.3)
    sure = np.array([[0.0, -np.inf]])
    assert calibration_error(sure, np.array([0])) == 0.0


@pytest.mark.parametrize("seed", range(5))
def test_an_ensemble_is_never_worse_than_its_members_mean_loss(seed):
    a, b = drawn(40, seed), ClassOutputs(drawn(40, seed + 100).logits, drawn(40, seed).labels)
    both = mean_prediction([a, b])
    mean = (cross_entropy(a.logits, a.labels) + cross_entropy(b.logits, b.labels)) / 2
    assert (cross_entropy(both.logits, both.labels) <= mean + 1e-12).all()
    assert np.allclose(np.exp(both.logits).sum(axis=1), 1)


def test_an_ensemble_of_three_is_the_mean_of_their_probabilities():
    members = [ClassOutputs(drawn(40, seed).logits, drawn(40).labels) for seed in range(3)]
    mean = sum(softmax(member.logits, axis=1) for member in members) / 3
    assert np.allclose(np.exp(mean_prediction(members).logits), mean)


def test_an_ensemble_with_oneself_is_oneself():
    a = drawn(40)
    both = mean_prediction([a, a])
    assert np.allclose(cross_entropy(both.logits, both.labels), cross_entropy(a.logits, a.labels))


def test_a_score_holds_everything_and_validation_rows_add_the_calibrated_loss():
    found, validation = drawn(400), drawn(300, seed=1)
    boastful = ClassOutputs(found.logits * 4, found.labels)
    plain = score(boastful)
    assert (plain.temperature, plain.calibrated_loss, plain.n) == (None, None, 400)
    full = score(boastful, ClassOutputs(validation.logits * 4, validation.labels))
    assert full.loss == plain.loss
    assert full.temperature == pytest.approx(4, rel=0.2)
    assert full.calibrated_loss < full.loss
    assert full.calibrated_loss == pytest.approx(
        cross_entropy(boastful.logits, boastful.labels, full.temperature).mean()
    )


def test_outputs_that_are_no_numbers_give_no_temperature_and_no_figure():
    broken = ClassOutputs(np.full((3, 2), np.nan), np.zeros(3, dtype=int))
    assert temperature_of(broken) is None
    found = score(broken, broken)
    assert math.isnan(found.loss)
    assert (found.accuracy, found.temperature) == (0.0, None)


def test_nothing_cannot_be_scored():
    nothing = drawn(5).first(0)
    assert temperature_of(nothing) is None
    with pytest.raises(ValueError, match="no rows"):
        score(nothing)
