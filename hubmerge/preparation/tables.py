"""Tables with a row for each token: which tensors they are, and the rows that a model lacks."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor
from transformers import PreTrainedConfig

from hubmerge.errors import MismatchError, WeightsError
from hubmerge.hub.describe import Description
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.model_class import made_of, skeleton
from hubmerge.preparation.rows import ABSENT, Rows

SIZE = "vocab_size"
"""The field of a configuration for the number of a table's rows."""

MORE = 64
"""Rows by which a table is made larger, to see which tensors it is."""

Read = Callable[[str], Tensor | None]
"""Name of a tensor in the model -> its value in one of the models; None where it has none."""


def vocabulary_size(config: PreTrainedConfig) -> int | None:
    """Rows of a model's tables; None where its configuration knows no such number."""
    size = getattr(config.get_text_config(), SIZE, None)
    return size if isinstance(size, int) and not isinstance(size, bool) else None


def table_axes(description: Description) -> dict[str, int]:
    """Names in the model of all tensors with an entry for each token -> along which axis.

    They are those that grow with the vocabulary. Raises: WeightsError, if there are none.
    """
    own, config = description.config, copy.deepcopy(description.config)
    text = config.get_text_config()
    setattr(text, SIZE, getattr(text, SIZE) + MORE)
    with made_of(description):
        small = skeleton(own, description.code_folder).state_dict()
    large = skeleton(config, description.code_folder).state_dict()
    found: dict[str, int] = {}
    for name, value in small.items():
        grown = [
            axis
            for axis, (before, after) in enumerate(zip(value.shape, large[name].shape, strict=True))
            if after == before + MORE
        ]
        if grown:
            found[name] = grown[0]
    if not found:
        raise WeightsError(
            f"no tensor of {description.source.ref} has a row for each token",
            source=CONFIG,
        )
    return found


def filled_rows(name: str, axis: int, models: Sequence[Read], rows: Rows) -> Tensor:
    """What stands in the rows that a model lacks, in their order: float32.

    The base's row where there is one, else the mean of those of all models that have one; the mean
    of the first model's rows where none has. models: how each one's tables are read. One table is
    held at a time. Raises: MismatchError, if the tables' other sizes differ.
    """
    missing = rows.lacking()
    total: Tensor | None = None
    count = torch.zeros(len(missing))
    average: Tensor | None = None
    said: dict[int, Tensor] = {}
    based: tuple[Tensor, Tensor] | None = None
    place = {int(row): index for index, row in enumerate(missing)}
    for number, read in enumerate(models):
        found = read(name)
        if found is None:
            continue
        table = found.movedim(axis, 0)
        if average is None:
            average = table.float().mean(0)
            total = torch.zeros(len(missing), *average.shape)
        assert total is not None
        if table.shape[1:] != total.shape[1:]:
            raise MismatchError(
                f"the models differ in the size of {name}",
                found=f"{tuple(total.shape[1:])} and {tuple(table.shape[1:])} for each token",
                hint="only models of one architecture and size merge",
            )
        own = rows.own[number][missing]
        there = own != ABSENT
        values = table[own[there]].float()
        total[there] += values
        count[there] += 1
        if number == rows.base:
            based = there, values
        for row, fill in rows.fills.items():
            if fill.model == number and row in place:
                said[row] = table[fill.row].float()
    assert total is not None
    assert average is not None
    shape = (-1, *[1] * (total.dim() - 1))
    found = torch.where(count.view(shape) > 0, total / count.clamp(min=1).view(shape), average)
    if based is not None:
        found[based[0]] = based[1]
    for row, fill in rows.fills.items():
        if row in place:
            found[place[row]] = 0 if fill.model is None else said[row]
    return found


def aligned_table(table: Tensor, axis: int, number: int, filled: Tensor, rows: Rows) -> Tensor:
    """The table of one model for the merge's vocabulary, in its own dtype.

    number: of the model. filled: as `filled_rows` gives it.
    """
    own, missing = rows.own[number], rows.lacking()
    source = table.movedim(axis, 0)
    made = torch.empty(rows.size, *source.shape[1:], dtype=table.dtype)
    there = own != ABSENT
    made[there] = source[own[there]]
    forced = torch.tensor(
        [int(row) in rows.fills and rows.fills[int(row)].force for row in missing],
        dtype=torch.bool,
    )
    given = (own[missing] == ABSENT) | forced
    made[missing[given]] = filled[given].to(table.dtype)
    return made.movedim(0, axis).contiguous()


def tied_to(names: Mapping[str, Sequence[str]], name: str, stored: Mapping[str, object]) -> str:
    """The name by which a tensor is stored: its own, or that of one it is tied to."""
    return name if name in stored else next((n for n in names.get(name, ()) if n in stored), name)
