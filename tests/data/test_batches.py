from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, LargeList, List, Value

from hubmerge.data.batches import BATCH_SIZE, Batches, _Kept
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.labels import match_labels
from hubmerge.data.rows import RowSet, choose_rows
from hubmerge.errors import DataError, LabelError
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from tests.helpers.rows import batches_of


def _labelled(folder, model, processor=None, **asked):
    data = open_data(folder, ref="me/digits", columns=DataColumns(**asked))
    labels = match_labels(data, model.config.id2label)
    rows = choose_rows(data, samples="all").evaluation
    return data, rows, batches_of(data, rows, model, processor, labels)


def test_features_and_labels_are_those_of_the_rows(write, head, digits):
    _, rows, batches = _labelled(write({"test": 300}, kind="features"), head)
    _, vectors, targets = digits
    assert [len(batch) for batch in batches] == [100, 20]
    inputs = torch.cat([batch.inputs["features"] for batch in batches])
    assert inputs.dtype == torch.float32
    assert inputs.tolist() == [
        pytest.approx(np.float32(vectors[row]).tolist()) for row in rows.indices
    ]
    assert torch.cat([batch.labels for batch in batches]).tolist() == [
        targets[row] for row in rows.indices
    ]
    assert batches.labels.tolist() == [targets[row] for row in rows.indices]


def test_images_pass_through_the_processor_in_the_models_channels(write, resnet, processor, digits):
    _, rows, batches = _labelled(write({"test": 20}), resnet, processor)
    pixels = batches[0].inputs["pixel_values"]
    assert pixels.shape == (len(rows), 1, 8, 8)
    image = np.asarray(digits[0][rows.indices[0]], dtype=np.float64) / 255
    assert np.allclose(pixels[0, 0].numpy(), (image - 0.3) / 0.4, atol=1e-6)


def test_grey_images_become_rgb_for_a_model_of_three_channels(write, resnet, processor):
    resnet.config.num_channels = 3
    processor.image_mean, processor.image_std = [0.3] * 3, [0.4] * 3
    _, rows, batches = _labelled(write({"test": 20}), resnet, processor)
    pixels = batches[0].inputs["pixel_values"]
    assert pixels.shape == (len(rows), 3, 8, 8)
    assert torch.equal(pixels[:, 0], pixels[:, 2])


def test_an_mlp_head_takes_the_column_the_data_has(write, head, processor):
    folder = write({"test": 20}, kind="both")
    assert set(_labelled(folder, head, processor)[2][0].inputs) == {"features"}
    by_image = _labelled(folder, head, processor, image="image")[2]
    assert set(by_image[0].inputs) == {"pixel_values"}
    assert head(**by_image[0].inputs).logits.shape == (by_image.rows, 10)


def test_labels_come_in_the_models_order(write, head, digits):
    names = list(reversed(head.config.id2label.values()))
    head.config.id2label = dict(enumerate(names))
    _, rows, batches = _labelled(write({"test": 20}, kind="features"), head)
    assert batches.labels.tolist() == [9 - digits[2][row] for row in rows.indices]


def test_calibration_rows_need_no_labels(write, head):
    folder = write({"train": 20, "test": 20}, kind="features", secret=("train",))
    data = open_data(folder, ref="me/digits")
    rows = choose_rows(data).calibration
    assert batches_of(data, rows, head, None, None)[0].labels is None
    with pytest.raises(LabelError, match=r'row \d+ of split "train" of me/digits has no label'):
        batches_of(data, rows, head, None, match_labels(data, head.config.id2label))


def _counting(calls, numbers=1):
    def read(rows):
        calls.append(tuple(rows))
        return {"x": torch.tensor(rows, dtype=torch.float32)[:, None].expand(-1, numbers).clone()}

    return read


def test_what_was_read_is_kept_up_to_the_limit():
    calls = []
    room_for_two = 2 * BATCH_SIZE * 4
    batches = Batches(_Kept(_counting(calls), room_for_two), tuple(range(4 * BATCH_SIZE)), None)
    for _ in range(3):
        for number in range(len(batches)):
            assert batches[number].inputs["x"][0] == number * BATCH_SIZE
    assert len(calls) == 2 + 3 * 2


def test_the_first_rows_share_what_was_read():
    calls = []
    batches = Batches(_Kept(_counting(calls), 2**20), tuple(range(250)), torch.arange(250))
    assert [len(batch) for batch in batches] == [100, 100, 50]
    part = batches.first(200)
    assert [len(batch) for batch in part] == [100, 100]
    assert part.labels.tolist() == list(range(200))
    assert len(calls) == 3
    assert batches.first(1000).rows == 250
    with pytest.raises(IndexError):
        part[2]


def test_threads_read_the_same_batches(write, resnet, processor):
    data, rows, batches = _labelled(write({"test": 600}), resnet, processor)
    alone = batches_of(data, rows, resnet, processor, None, cache_bytes=0)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(batches.__getitem__, [*range(len(batches))] * 3))
    for number, batch in enumerate(found):
        expected = alone[number % len(alone)].inputs["pixel_values"]
        assert torch.equal(batch.inputs["pixel_values"], expected)


def test_models_and_data_that_do_not_fit_are_refused(write, resnet, head, processor):
    folder = write({"test": 20}, kind="features")
    with pytest.raises(DataError, match="where the model takes images"):
        _labelled(folder, resnet, processor)
    torch.manual_seed(0)
    wide = MlpHeadForClassification(MlpHeadConfig(input_size=65, id2label=head.config.id2label))
    batches = _labelled(folder, wide)[2]
    with pytest.raises(DataError, match="have 64 numbers, the model takes 65"):
        batches[0]


def test_images_without_a_processor_are_refused(write, resnet, processor):
    folder = write({"test": 20})
    with pytest.raises(DataError, match="no image processor"):
        _labelled(folder, resnet, None)
    resnet.config.num_channels = 2
    with pytest.raises(DataError, match="images of 2 channels"):
        _labelled(folder, resnet, processor)
    resnet.config.num_channels = 3
    with pytest.raises(DataError, match="cannot take the images of me/digits as RGB"):
        _labelled(folder, resnet, processor)[2][0]


def _saved(tmp_path, column, values, kind):
    features = Features({column: kind, "label": ClassLabel(names=["zero", "one"])})
    table = Dataset.from_dict({column: values, "label": [0, 1]}, features=features)
    table.save_to_disk(tmp_path / "saved")
    data = open_data(tmp_path / "saved", ref="me/broken")
    return data, RowSet("train", (0, 1), 2)


def test_a_row_that_is_no_image_is_named(tmp_path, resnet, processor):
    values = [{"bytes": b"no image", "path": None}] * 2
    data, rows = _saved(tmp_path, "image", values, Image())
    with pytest.raises(DataError, match='row 0 of split "train" of me/broken holds no image'):
        batches_of(data, rows, resnet, processor, None)[0]


def test_ragged_features_are_refused(tmp_path, head):
    data, rows = _saved(tmp_path, "x", [[0.5] * 64, [0.5] * 63], List(Value("float32")))
    with pytest.raises(DataError, match="ragged") as refused:
        batches_of(data, rows, head, None, None)[0]
    assert "63, 64" in str(refused.value)


@pytest.mark.parametrize(
    ("value", "kind", "shown"),
    [
        (float("nan"), "float32", "nan"),
        (float("-inf"), "float16", "-inf"),
        (1e39, "float64", r"1e\+39"),
        (None, "float32", "None"),
    ],
)
@pytest.mark.parametrize("large", [False, True])
def test_a_feature_that_is_no_finite_number_is_named(tmp_path, head, value, kind, shown, large):
    """Before any batch is read; rows that were not asked for do not matter."""
    values = [[0.5] * 64, [0.5] * 40 + [value] + [0.5] * 23]
    data, _ = _saved(tmp_path, "x", values, (LargeList if large else List)(Value(kind)))
    named = rf'row 1 of split "train" of me/broken holds {shown}\n.*number 41 of the 64(.|\n)*"x"'
    with pytest.raises(DataError, match=named):
        batches_of(data, RowSet("train", (1, 0), 2), head, None, None)
    assert len(batches_of(data, RowSet("train", (0,), 2), head, None, None)[0]) == 1
