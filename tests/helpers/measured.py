"""Reading a data set for a model as a merge does; merging and running a card's code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.data.batches import Batches
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import DataSet, open_data
from hubmerge.data.reading import ReadFor, Reading
from hubmerge.data.rows import RowSet
from hubmerge.reporting.card import render_card
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import task_of_model
from tests.helpers.command_line import quickly


def reading(
    place: Path, model: PreTrainedModel, *, columns: dict[str, str] | None = None, **given: Any
) -> tuple[DataSet, Reading]:
    """The data set, and how its rows are read. given: more fields of `ReadFor`."""
    task = task_of_model(model)
    measure = task.measure(model.config)
    data = open_data(
        place,
        ref="me/d",
        columns=DataColumns(inputs=task.inputs, answers=measure.answers, **columns or {}),
    )
    wanted = ReadFor(
        model=model,
        statistics=measure.statistics(model.config),
        answers=measure.answers,
        labels=model.config.id2label,
        **given,
    )
    return data, task.read(data, wanted)


def every_row(data: DataSet, found: Reading) -> Batches:
    """All rows of the split that is measured on, in their order."""
    rows = len(data.splits[data.split])
    return found.measured(RowSet(data.split, tuple(range(rows)), rows))


def merged(folder: Path, data: Path, *more: Any) -> Report:
    """The report of a merge, in `folder`/out, of parent0 and parent1 there; measured on `data`."""
    parents = [folder / "parent0", folder / "parent1"]
    given = ["--match", "none", "--path-points", "0", "-q", *more]
    line = ["merge", *parents, "--dataset", data, "-o", folder / "out", *given]
    line += quickly(*map(str, line))
    done = CliRunner().invoke(app, [str(each) for each in line])
    assert done.exit_code == 0, (done.output, done.exception)
    return Report.read(folder / "out")


def run_card(report: Report, folder: Path) -> dict[str, Any]:
    """The names that the code of a card defines."""
    code = render_card(report, str(folder)).split("```python\n")[1].split("```")[0]
    names: dict[str, Any] = {}
    exec(code, names)
    return names
