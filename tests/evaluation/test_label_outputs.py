"""Outputs read as labels, where they are not one to one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from hubmerge.models.class_outputs import ClassOutputs, mean_prediction
from hubmerge.models.label_outputs import Answers


@pytest.fixture
def said():
    return np.random.default_rng(0).normal(size=(40, 3)) * 4


def test_an_unknown_label_is_as_likely_as_chance_and_the_rest_is_as_it_was(said):
    chances = softmax(Answers((4, 0, 2), 5).read(said), axis=1)
    assert np.allclose(chances[:, [1, 3]], 1 / 5)
    assert np.allclose(chances[:, [4, 0, 2]], softmax(said, axis=1) * 3 / 5)


@pytest.mark.parametrize("alike", [np.zeros((1, 3)), np.full((1, 3), 1e4), np.array([[-7.1] * 3])])
def test_an_unknown_label_is_never_the_likeliest(said, alike):
    known = Answers((1, 2, 3), 6)
    for logits in (said, alike):
        assert set(known.read(logits).argmax(axis=1)) <= {1, 2, 3}
    assert Answers((1,), 2).read(said[:, :1]).argmax(axis=1).tolist() == [1] * len(said)


def test_several_outputs_of_one_label_count_together(said):
    chances = softmax(Answers((1, 0, 1), 2).read(said), axis=1)
    own = softmax(said, axis=1)
    assert np.allclose(chances, np.stack([own[:, 1], own[:, 0] + own[:, 2]], axis=1))


def test_outputs_that_are_labels_are_left_alone(said):
    assert Answers((0, 1, 2), 3).read(said) is said


def test_what_is_no_number_stays_none():
    assert np.isnan(Answers((0, 1), 3).read(np.array([[np.nan, 1.0]]))).any()


def test_an_ensemble_asks_those_who_know(said):
    labels = np.zeros(len(said), dtype=np.int64)
    a = ClassOutputs(Answers((0, 1, 2), 4).read(said), labels)
    b = ClassOutputs(Answers((2, 3), 4).read(-said[:, :2]), labels)
    known = np.array([[True, True, True, False], [False, False, True, True]])
    chances = softmax(mean_prediction([a, b], known).logits, axis=1)
    left, right = softmax(said, axis=1) * 3 / 4, softmax(-said[:, :2], axis=1) * 2 / 4
    mean = np.stack([left[:, 0], left[:, 1], (left[:, 2] + right[:, 0]) / 2, right[:, 1]], axis=1)
    assert np.allclose(chances, mean / mean.sum(axis=1, keepdims=True))


def test_where_all_know_all_it_is_the_mean_of_all(said):
    labels = np.zeros(len(said), dtype=np.int64)
    members = [ClassOutputs(said, labels), ClassOutputs(-said, labels)]
    all_members = mean_prediction(members, np.ones((2, 3), dtype=bool))
    assert np.array_equal(all_members.logits, mean_prediction(members).logits)
