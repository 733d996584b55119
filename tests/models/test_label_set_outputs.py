"""Labels that may be right together: losses of torch, decisions one by one, the mean of parents."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from hubmerge.models.label_set_outputs import LabelSetOutputs, mean_label_set

RANDOM = np.random.default_rng(1)
LABELS = RANDOM.integers(0, 2, (50, 4))
LOGITS = 6 * (RANDOM.normal(0, 1, (50, 4)) + LABELS - 0.5)
FOUND = LabelSetOutputs(LOGITS, LABELS)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_losses_are_those_of_transformers(temperature: float) -> None:
    logits, wanted = torch.tensor(LOGITS / temperature), torch.tensor(LABELS, dtype=torch.float64)
    expected = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").mean(1)
    assert np.allclose(FOUND.losses(temperature), expected.numpy())


def test_the_temperature_is_that_of_the_least_loss() -> None:
    fitted = FOUND.fitted_temperature()
    assert fitted > 1.5
    nearby = [FOUND.losses(fitted * factor).mean() for factor in (0.8, 1.0, 1.25)]
    assert min(nearby) == nearby[1]


def test_a_row_is_right_where_all_of_its_labels_are() -> None:
    assert FOUND.metric.value() == ((LOGITS > 0) == LABELS).all(1).mean()
    broken = LOGITS.copy()
    broken[0] = np.nan
    assert not LabelSetOutputs(broken, np.zeros_like(LABELS)).metric.rows[0]


def test_an_ensemble_is_the_mean_of_probabilities() -> None:
    other = LabelSetOutputs(-LOGITS + 1, LABELS)
    both = [1 / (1 + np.exp(-each.logits)) for each in (FOUND, other)]
    found = 1 / (1 + np.exp(-mean_label_set([FOUND, other]).logits))
    assert np.allclose(found, np.mean(both, axis=0))
