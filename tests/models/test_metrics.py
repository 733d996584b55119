"""Scores of samples of rows are those of the rows written out as often as they were drawn."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score

from hubmerge.evaluation.bootstrap import resampled, resampled_means
from hubmerge.models.label_set_outputs import LabelSetOutputs
from hubmerge.models.metrics import Mean, Metric, Spearman, pearson
from hubmerge.models.number_outputs import NumberOutputs, variance_of

RANDOM = np.random.default_rng(0)
ROWS = 40
WANTED = RANDOM.integers(0, 6, ROWS).astype(float)  # with ties
SAID = np.round(WANTED + RANDOM.normal(0, 2, ROWS), 0)
LABELS = RANDOM.integers(0, 2, (ROWS, 3))
LOGITS = RANDOM.normal(0, 1, (ROWS, 3)) + LABELS


def micro_f1(rows: np.ndarray) -> float:
    return float(f1_score(LABELS[rows], LOGITS[rows] > 0, average="micro"))


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Mean(SAID > 2), lambda rows: (SAID > 2)[rows].mean()),
        (pearson(SAID, WANTED), lambda rows: pearsonr(SAID[rows], WANTED[rows])[0]),
        (Spearman(SAID, WANTED), lambda rows: spearmanr(SAID[rows], WANTED[rows])[0]),
        (LabelSetOutputs(LOGITS, LABELS).others["micro-F1"], micro_f1),
    ],
    ids=["mean", "pearson", "spearman", "micro-F1"],
)
def test_a_sample_scores_as_its_rows_do(metric: Metric, expected) -> None:
    every = np.arange(ROWS)
    assert metric.value() == pytest.approx(expected(every), abs=1e-12)
    drawn = RANDOM.integers(ROWS, size=ROWS)
    counts = np.bincount(drawn, minlength=ROWS).astype(float)
    assert metric.value(counts) == pytest.approx(expected(np.sort(drawn)), abs=1e-12)


def test_what_does_not_vary_correlates_with_nothing() -> None:
    still = np.ones(ROWS)
    assert pearson(still, WANTED).value() == Spearman(still, WANTED).value() == 0.0
    assert Spearman(np.full(ROWS, np.nan), WANTED).value() == 0.0


def test_a_mean_is_resampled_as_its_rows_are() -> None:
    rows = RANDOM.normal(size=ROWS)
    found = resampled([Mean(rows)], ROWS, resamples=50)[:, 0]
    assert np.allclose(found, resampled_means(rows[None], resamples=50)[:, 0], atol=1e-12)


def test_the_loss_of_numbers_is_what_the_coefficient_of_determination_lacks() -> None:
    wanted, said = np.stack([WANTED, 10 * WANTED], 1), np.stack([SAID, 10 * SAID + 3], 1)
    found = NumberOutputs(said, wanted, variance_of(wanted))
    r2 = [
        1 - ((s - w) ** 2).sum() / ((w - w.mean()) ** 2).sum()
        for s, w in zip(said.T, wanted.T, strict=True)
    ]
    assert 1 - found.losses().mean() == pytest.approx(np.mean(r2))
    assert found.metric.value() == pytest.approx(pearsonr(SAID, WANTED)[0])
    assert found.first(10).variance is found.variance
    assert found.others == {}
