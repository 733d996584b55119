"""Rows as model inputs: batches of a fixed size, made when asked for and kept while there is room.

Images pass through the model's own processor; feature columns go in as they are. Rows of tokens or
of sound have many lengths: a batch holds rows of one length, so that nothing is ever padded, and no
padding enters activations, statistics or losses. The boundaries of batches never depend on who
computes them, so that results are the same bits for any number of processes and threads.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from hubmerge.data.dataset import DataSet
from hubmerge.data.pictures import open_picture
from hubmerge.data.pixels import to_mode
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError
from hubmerge.models.label_outputs import Answers
from hubmerge.models.outputs import RowStatistics
from hubmerge.utils.foreign import refusing
from hubmerge.utils.limits import BATCH_PIXELS, PREPARED_ELEMENTS

if TYPE_CHECKING:
    from datasets import Dataset

BATCH_SIZE = 100
"""Rows in a batch. Part of every figure's last bits: never made to depend on the machine."""

CACHE_BYTES = 2**30
"""Inputs one set of batches keeps: 1 GiB, about 1,700 images of 3 x 224 x 224."""

PIL_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels a model takes -> what an image is converted to."""

Inputs = dict[str, Tensor]
Read = Callable[[Sequence[int]], Inputs]


TargetReader = Callable[["Dataset", RowSet], Tensor]
"""A split and rows of it -> the target of each row, [rows, ...]. Raises: LabelError."""


@dataclass(frozen=True)
class Batch:
    """Rows as a model takes them."""

    inputs: Inputs
    """Argument of the model's forward -> float32 [rows, ...]."""
    labels: Tensor | None
    """Targets: output indices, int64 [rows], or what the task has instead, [rows, ...]; None
    where the rows have no labels."""

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))


@dataclass(frozen=True, eq=False)
class Batches:
    """Batches by number, computed on access. Safe to index from several threads.

    Jobs take the numbers, `range(len(batches))`, and index here: handing out the batches
    themselves would read them all first.
    """

    read: Read
    """Row numbers -> inputs."""
    indices: tuple[int, ...]
    labels: Tensor | None
    """Targets of all rows, as in a `Batch`."""
    answers: Answers | None = None
    """How outputs are read as labels, where they are not the same."""
    statistics: RowStatistics | None = None
    """What evaluation keeps of a model's answers to labelled rows; None of rows without labels."""
    lengths: tuple[Hashable, ...] | None = None
    """How long every row is: rows of a batch have one length. None: all rows are equally long."""
    ragged: str | None = None
    """The input that the target of a row is as long as, if it is: `labels` [rows, longest] are
    cut to its length in each batch."""
    synthetic: bool = False
    """Whether the rows are made up: no model was trained on their like."""

    @property
    def rows(self) -> int:
        """Rows in all batches together."""
        return len(self.indices)

    def part(self, start: int, stop: int | None = None) -> Batches:
        """Rows `start` to `stop`, sharing what has been read already."""
        rows = slice(start, stop)
        return replace(
            self,
            indices=self.indices[rows],
            labels=None if self.labels is None else self.labels[rows],
            lengths=None if self.lengths is None else self.lengths[rows],
        )

    def first(self, rows: int) -> Batches:
        """The first `rows` rows, sharing what has been read already."""
        return self.part(0, rows)

    @cached_property
    def places(self) -> tuple[tuple[int, ...], ...]:
        """Which of the rows each batch holds, as numbers from 0."""
        same: dict[Hashable, list[int]] = {}
        for row in range(self.rows):
            same.setdefault(None if self.lengths is None else self.lengths[row], []).append(row)
        return tuple(
            tuple(rows[start : start + BATCH_SIZE])
            for rows in same.values()
            for start in range(0, len(rows), BATCH_SIZE)
        )

    @property
    def sizes(self) -> list[int]:
        """Rows of each batch, none of which is read."""
        return [len(rows) for rows in self.places]

    def in_order(self, values: Tensor) -> Tensor:
        """`values` [rows, ...] of one batch after the other, in the order of the rows."""
        if self.lengths is None:
            return values
        found = torch.empty_like(values)
        found[torch.tensor([row for rows in self.places for row in rows])] = values
        return found

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> Batch:
        rows = self.places[number]
        inputs = self.read(tuple(self.indices[row] for row in rows))
        labels = None if self.labels is None else self.labels[list(rows)]
        if labels is not None and self.ragged is not None:
            labels = labels[:, : inputs[self.ragged].shape[1]]
        return Batch(inputs, labels)


class _Kept:
    """`read`, remembering the first inputs it gave, up to `limit` bytes.

    Batches are gone through in order again and again, and then keeping the first ones saves more
    than keeping the latest.
    """

    def __init__(self, read: Read, limit: int) -> None:
        self._read = read
        self._room = limit
        self._kept: dict[tuple[int, ...], Inputs] = {}
        self._lock = Lock()

    def __call__(self, rows: Sequence[int]) -> Inputs:
        rows = tuple(rows)
        if rows in self._kept:
            return self._kept[rows]
        inputs = self._read(rows)
        size = sum(value.nbytes for value in inputs.values())
        with self._lock:
            if rows not in self._kept and size <= self._room:
                self._kept[rows] = inputs
                self._room -= size
        return inputs


@dataclass(frozen=True)
class ColumnReader:
    """Columns that a model takes, and how their rows become inputs.

    read: rows of the columns, the split they are of, and their numbers -> inputs. Raises:
    DataError, where a row does not hold what the model takes.
    check: whether all of these rows may be read, before the first one is.
    lengths: of each of these rows, where they are not equally long. Raises: as `read`.
    ragged: the input that the target of a row is as long as, if it is.
    """

    columns: tuple[str, ...]
    read: Callable[[Dataset, str, Sequence[int]], Inputs]
    check: Callable[[Dataset, RowSet], None] | None = None
    lengths: Callable[[Dataset, RowSet], Sequence[Hashable]] | None = None
    ragged: str | None = None


def make_batches(
    data: DataSet,
    rows: RowSet,
    reader: ColumnReader,
    target: TargetReader | None,
    *,
    statistics: RowStatistics | None = None,
    answers: Answers | None = None,
    cache_bytes: int = CACHE_BYTES,
) -> Batches:
    """The batches of `rows`.

    Parameters:
        reader: the columns the model takes, and how.
        target: reads targets; None for rows whose targets do not matter (calibration).
        statistics: what evaluation keeps of answers.
        answers: how outputs are read as labels, where they are not the same.
        cache_bytes: inputs that are kept.

    Raises: DataError, if the data does not hold what the model takes, now or when a batch is read;
        LabelError, if a row has no label or one that the model does not know.
    """
    dataset = data.splits[rows.split]
    inputs = dataset.select_columns([*reader.columns])
    if reader.check is not None:
        reader.check(inputs, rows)
    targets = None if target is None else target(dataset, rows)
    kept = keeping(lambda indices: reader.read(inputs, rows.split, indices), cache_bytes)
    lengths = None if reader.lengths is None else tuple(reader.lengths(inputs, rows))
    return Batches(kept, rows.indices, targets, answers, statistics, lengths, reader.ragged)


def keeping(read: Read, limit: int) -> Read:
    """`read`, remembering the first inputs it gave, up to `limit` bytes."""
    return _Kept(read, limit)


def _check_finite(dataset: Dataset, column: str, rows: RowSet, ref: str) -> None:
    """Raises: DataError, at the first number of a list that is none, or infinite, in float32."""
    lists = dataset.with_format("arrow")[list(rows.indices)][column].combine_chunks()
    numbers = lists.flatten().to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        odd = np.flatnonzero(~np.isfinite(numbers.astype(np.float32)))
    if not len(odd):
        return
    row = rows.indices[lists.value_parent_indices()[int(odd[0])].as_py()]
    values = dataset[row][column]
    place = next(k for k, value in enumerate(values) if not _is_finite(value))
    raise DataError(
        f'row {row} of split "{rows.split}" of {ref} holds {values[place]}',
        found=f"it is number {place + 1} of the {len(values)} of that row",
        source=f'column "{column}"',
        hint="leave such rows out, or fill them in: every number must be finite in float32",
    )


def _is_finite(value: float | None) -> bool:
    return value is not None and bool(torch.tensor(value, dtype=torch.float32).isfinite())


def feature_reader(data: DataSet, size: int) -> ColumnReader:
    """Reads the feature column of `data` for a model that takes `size` numbers a row.

    Raises, when rows are read: DataError, if a row holds another number of them, or what is no
    finite number.
    """
    column = data.feature_column
    assert column is not None

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        values = [dataset[row][column] for row in rows]
        lengths = {len(value or ()) for value in values}
        if len(lengths) > 1:
            raise DataError(
                f'column "{column}" of split "{split}" of {data.ref} is ragged',
                found=f"lists of {', '.join(map(str, sorted(lengths)))} numbers",
            )
        return {"features": _fitting(torch.tensor(values, dtype=torch.float32), size, data)}

    def check(dataset: Dataset, rows: RowSet) -> None:
        _check_finite(dataset, column, rows, data.ref)

    return ColumnReader((column,), read, check)


def image_reader(
    data: DataSet, model: PreTrainedModel, processor: Any | None, size: int | None = None
) -> ColumnReader:
    """Reads the images of `data` through `processor`.

    size: numbers a row must have, for a model that takes images as one long row.
    Raises: DataError, if there are no images or no processor.
    """
    if data.image_column is None:
        raise DataError(
            f'{data.ref} has features ("{data.feature_column}") where the model takes images',
            found=f'a {model.config.model_type} model, whose input is "{model.main_input_name}"',
            hint="choose a data set with images, or name its image column",
        )
    if processor is None:
        raise DataError(
            f"the images of {data.ref} cannot be prepared: the model has no image processor",
            found="no preprocessor_config.json beside the model",
            hint="add the processor the model was trained with, or use a feature column",
        )
    image_column, mode = data.image_column, PIL_MODES[channels_of(model, processor)]

    def prepared(images: list[Any], split: str) -> Mapping[str, Tensor]:
        for some in (images[:1], images):
            with refusing(lambda said: misfit(said, split)):
                found = processor(images=some, return_tensors="pt")
            if max(value[0].numel() for value in found.values()) > PREPARED_ELEMENTS:
                raise misfit(f"it makes more than {PREPARED_ELEMENTS:,} numbers of one", split)
        return found

    def misfit(said: str, split: str) -> DataError:
        return DataError(
            f"the model's processor cannot take the images of {data.ref} as {mode}",
            found=said,
            source=f'column "{image_column}" of split "{split}"',
        )

    def read(dataset: Dataset, split: str, rows: Sequence[int]) -> Inputs:
        groups = _groups(_image(dataset, split, row, data, mode) for row in rows)
        made = [prepared(images, split) for images in groups]
        found = made[0] if len(made) == 1 else {n: torch.cat([p[n] for p in made]) for n in made[0]}
        return {
            name: _fitting(value.float() if value.is_floating_point() else value, size, data)
            for name, value in found.items()
        }

    return ColumnReader((image_column,), read)


def channels_of(model: PreTrainedModel, processor: Any) -> int:
    """Channels the model's config names; else as many as its processor has means."""
    channels = getattr(model.config, "num_channels", None)
    if channels is None:
        mean = getattr(processor, "image_mean", None)
        channels = len(mean) if isinstance(mean, list | tuple) else 3
    if channels not in PIL_MODES:
        raise DataError(
            f"the model takes images of {channels} channels",
            hint=f"images can be made of {', '.join(map(str, PIL_MODES))} channels",
        )
    return channels


def _image(dataset: Dataset, split: str, row: int, data: DataSet, mode: str) -> Any:
    column = data.image_column or ""

    def unreadable(said: str) -> DataError:
        return DataError(
            f'row {row} of split "{split}" of {data.ref} holds no image that can be read',
            found=said,
            source=f'column "{column}"',
        )

    with refusing(unreadable):
        declared = getattr(dataset.features[column], "mode", None)
        return to_mode(open_picture(dataset[row][column], data.place, declared), mode)


def _groups(images: Iterable[Any]) -> Iterator[list[Any]]:
    """Images that are prepared together: all, unless they are too large for that."""
    group: list[Any] = []
    pixels = 0
    for image in images:
        pixels += image.width * image.height
        if pixels > BATCH_PIXELS and group:
            yield group
            group, pixels = [], image.width * image.height
        group.append(image)
    yield group


def _fitting(inputs: Tensor, size: int | None, data: DataSet) -> Tensor:
    """`inputs`, if a model that takes `size` numbers a row (None: any shape) takes them."""
    if size is not None and inputs[0].numel() != size:
        raise DataError(
            f"the rows of {data.ref} have {inputs[0].numel()} numbers, the model takes {size}",
            found=f"rows of shape {list(inputs.shape[1:])}",
            hint="use the data or processor the model was trained with",
        )
    return inputs
