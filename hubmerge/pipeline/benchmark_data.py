"""Benchmarks of models that are no language models: further data sets of the Hub, measured as the
merge's own is.

Nothing is chosen on them: the temperature, which is fitted on other rows, plays no part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from hubmerge.data.batches import Batches
from hubmerge.data.dataset import DataSet
from hubmerge.data.rows import DEFAULT_ROWS, RowSet, data_order
from hubmerge.data.splits import DataSplits
from hubmerge.evaluation.comparison import metric_bounds
from hubmerge.evaluation.evaluate import outputs
from hubmerge.evaluation.harness.results import Benchmark, Difference
from hubmerge.hub.fetch import fetch
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import Source
from hubmerge.models.outputs import Outputs
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.evaluate import Contenders
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.pipeline.open_data import open_splits
from hubmerge.recipe import DataRecipe


@dataclass(frozen=True)
class BenchmarkData:
    """A further data set, opened for the models, and the rows that are measured."""

    source: Source
    splits: DataSplits
    rows: Batches


def open_benchmarks(
    run: Run, data: Mapping[str, Source], inputs: MergeInputs
) -> tuple[BenchmarkData, ...]:
    """The data sets, before anything is merged. Called by all processes alike; the main one
    fetches and fills the caches first.

    Raises: DataError, LabelError, AccessError, HubUnavailableError.
    """

    def opened(name: str, folder: str) -> DataSplits:
        alone = {"dataset": DataRecipe(id=name), "match": "none", "train_samples": None}
        recipe = run.recipe.model_copy(update=alone)
        return open_splits(folder, recipe, inputs.models[0], inputs.heads)

    def fill_caches(name: str, folder: str) -> None:
        opened(name, folder)

    found = []
    for name, source in data.items():
        folder = str(run.workers.on_main(partial(fetch, source)))
        if run.workers.processes > 1:
            run.workers.on_main(partial(fill_caches, name, folder))
        splits = opened(name, folder)
        rows = splits.reading.measured(_rows(splits.data, run.recipe.samples))
        found.append(BenchmarkData(source, splits, rows))
    return tuple(found)


def _rows(data: DataSet, samples: int | Literal["all"] | None) -> RowSet:
    """The first rows of the split in its fixed order: none are kept for anything else."""
    order = data_order(data, data.split)
    most = len(order) if samples == "all" else samples or DEFAULT_ROWS
    return RowSet(data.split, order[:most], len(order))


def measure_benchmarks(
    run: Run,
    opened: tuple[BenchmarkData, ...],
    inputs: MergeInputs,
    alignment: Alignment,
    fused: FusedModel,
    merge: LoadedModel,
) -> tuple[Benchmark, ...]:
    """What every contender scores on each, and the merge against the others, row by row. Called by
    all processes alike.
    """
    found = []
    for each in opened:
        contenders = Contenders(inputs, each.splits, run.workers)
        asked = contenders.asked(alignment.naive.model(fused.lam), merge.model)
        rows = each.rows
        said = {
            role: outputs(
                model,
                rows if answers is None else replace(rows, answers=answers),
                run.workers,
                f"{shown} on {each.source.id}",
            )
            for role, (shown, model, answers) in asked.items()
        }
        found.append(_record(each, contenders.measured.words.accuracy, said))
    return tuple(found)


def _record(data: BenchmarkData, metric: str, said: Mapping[str, Outputs]) -> Benchmark:
    source, splits, merge = data.source, data.splits, said["merge"]
    return Benchmark(
        given=f"{source.id}@{source.sha}",
        task=source.id,
        version="",
        harness=None,
        metric=metric,
        higher_is_better=True,
        shots=0,
        dataset=source.id,
        config=splits.data.config,
        split=splits.data.split,
        sha=source.sha,
        n=len(merge),
        scores={role: each.metric.value() for role, each in said.items()},
        differences=[
            _difference(merge, each, role) for role, each in said.items() if role != "merge"
        ],
    )


def _difference(merge: Outputs, other: Outputs, name: str) -> Difference:
    low, high = metric_bounds(merge.metric, other.metric, len(merge))
    value = merge.metric.value() - other.metric.value()
    return Difference(other=name, difference=value, low=low, high=high)
