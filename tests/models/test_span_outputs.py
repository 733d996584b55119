"""Answers that are spans: which are matched, and how much of each is found."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from hubmerge.models.span_outputs import SpanStatistics, overlap
from hubmerge.models.token_outputs import IGNORED

NONE = [IGNORED, IGNORED]


@pytest.mark.parametrize(
    ("said", "answers", "f1"),
    [
        ([2, 4], [[2, 4], NONE], 1.0),
        ([2, 4], [[3, 4], NONE], 2 * 2 / (3 + 2)),
        ([2, 4], [[5, 6], NONE], 0.0),
        ([2, 4], [[5, 6], [4, 7]], 2 * 1 / (3 + 4)),
        ([0, 0], [[0, 0], NONE], 1.0),
        ([0, 0], [[3, 4], NONE], 0.0),
        ([3, 3], [[1, 6], NONE], 2 * 1 / (1 + 6)),
    ],
)
def test_the_f1_of_tokens_is_that_of_the_answer_it_overlaps_best(
    said: list[int], answers: list[list[int]], f1: float
) -> None:
    found = overlap(torch.tensor([said]), torch.tensor([answers]))
    assert found.tolist() == [pytest.approx(f1)]


def test_rows_have_both_scores_and_a_bootstrap_recomputes_them() -> None:
    starts = torch.full((3, 6), -5.0)
    ends = starts.clone()
    for row, (first, last) in enumerate([(1, 2), (1, 3), (5, 5)]):
        starts[row, first] = ends[row, last] = 5.0
    labels = torch.tensor([[[1, 2], NONE], [[2, 3], NONE], [[1, 2], NONE]])
    statistics = SpanStatistics()
    answer = SimpleNamespace(logits=torch.stack([starts, ends], 1))
    figures = statistics.of_batch(answer, labels)
    assert figures.shape[1] == statistics.width(None)  # type: ignore[arg-type]
    outputs = statistics.outputs(figures.numpy(), labels.numpy(), None)
    assert outputs.metric.value() == pytest.approx(1 / 3)
    f1 = outputs.others["token F1"]
    assert f1.value() == pytest.approx((1 + 0.8 + 0) / 3)
    assert f1.value(torch.tensor([0.0, 3.0, 0.0]).numpy()) == pytest.approx(0.8)
    assert len(outputs.first(2)) == 2
    assert outputs.first(2).others["token F1"].value() == pytest.approx(0.9)
    broken = statistics.of_batch(SimpleNamespace(logits=answer.logits * torch.nan), labels)
    assert broken[:, -2:].tolist() == [[0.0, 0.0]] * 3
