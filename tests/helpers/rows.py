"""Rows of digits as batches for a small classifier."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hubmerge.data.batches import Batches, feature_reader, image_reader, make_batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.labels import LabelMap
from hubmerge.data.rows import RowSet
from hubmerge.data.targets import classes_of
from hubmerge.models.class_outputs import ClassStatistics


def batches_of(
    data: DataSet,
    rows: RowSet,
    model: PreTrainedModel,
    processor: Any | None,
    labels: LabelMap | None,
    **options: Any,
) -> Batches:
    """The rows as `model` takes them: features, else images through `processor`."""
    features = model.main_input_name == "features"
    size = model.config.input_size if features else None
    if features and data.feature_column is not None:
        reader = feature_reader(data, size)
    else:
        reader = image_reader(data, model, processor, size)
    target = None if labels is None else classes_of(data, labels)
    return make_batches(data, rows, reader, target, statistics=ClassStatistics(), **options)
