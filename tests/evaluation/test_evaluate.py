from __future__ import annotations

import numpy as np
import pytest
import torch

from hubmerge.data.dataset import open_data
from hubmerge.data.labels import match_labels
from hubmerge.data.rows import choose_rows
from hubmerge.evaluation.evaluate import logits, outputs
from hubmerge.models.class_outputs import ClassOutputs
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers
from tests.helpers.rows import batches_of


@pytest.fixture(autouse=True, scope="module")
def _quiet():
    be_quiet()
    yield
    be_quiet(False)


@pytest.fixture
def batches(write, resnet, processor):
    data = open_data(write({"train": 20, "test": 500}), ref="d")
    labels = match_labels(data, resnet.config.id2label)
    rows = choose_rows(data, samples="all").evaluation
    return batches_of(data, rows, resnet, processor, labels)


def test_threads_do_not_change_a_bit(resnet, batches):
    one = logits(resnet, batches, Workers(threads=1))
    for threads in (2, 3):
        assert torch.equal(logits(resnet, batches, Workers(threads=threads)), one)


def test_logits_are_the_models_own_in_row_order(resnet, batches):
    found = logits(resnet, batches, Workers())
    assert found.dtype == torch.float64
    with torch.no_grad():
        expected = torch.cat([resnet(**batch.inputs).logits for batch in batches])
    assert torch.allclose(found, expected.double(), atol=1e-5)
    assert found.shape == (batches.rows, 10)


def test_the_model_is_left_as_it_was(resnet, batches):
    resnet.train()
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    first = logits(resnet, batches, Workers())
    assert resnet.training
    for name, value in resnet.state_dict().items():
        assert torch.equal(value, before[name])
    assert torch.equal(first, logits(resnet.eval(), batches, Workers()))


def test_outputs_carry_labels_and_can_be_cut(resnet, batches):
    found = outputs(resnet, batches, Workers())
    assert found.labels.tolist() == batches.labels.tolist()
    assert found.finite
    part = found.first(150)
    assert len(part) == 150
    again = outputs(resnet, batches.first(150), Workers())
    assert np.array_equal(part.labels, again.labels)
    assert np.allclose(part.logits, again.logits, atol=1e-5)
    assert not ClassOutputs(found.logits * np.nan, found.labels).finite


def test_no_rows_give_no_logits(resnet, batches):
    assert logits(resnet, batches.first(0), Workers()).shape == (0, 10)


def test_unlabelled_rows_have_no_outputs(write, head):
    data = open_data(write({"train": 9, "test": 9}, kind="features", secret=("train",)), ref="d")
    unlabelled = batches_of(data, choose_rows(data).calibration, head, None, None)
    assert logits(head, unlabelled, Workers()).shape == (9, 10)
    with pytest.raises(ValueError, match="no labels"):
        outputs(head, unlabelled, Workers())
