"""Benchmarks: parents, naive average and merge in tasks of lm-evaluation-harness, where they are
language models, and else on further data sets of the Hub (`benchmark_data`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedModel

from hubmerge.errors import HubmergeError, RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.evaluation.harness.results import Benchmark
from hubmerge.evaluation.harness.run import (
    TaskRun,
    check_names,
    harness_version,
    require_harness,
    run_tasks,
)
from hubmerge.evaluation.harness.samples import difference
from hubmerge.evaluation.harness.task_files import TASK_FILE, read_task_file
from hubmerge.hub.benchmarks import hub_task
from hubmerge.hub.fetch import fetch, fetch_file, file_sizes
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.source import Source, resolve
from hubmerge.pipeline.align import Alignment
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.fuse import FusedModel
from hubmerge.pipeline.load import MergeInputs
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import roles

TASKS = ("text-generation", "text2text-generation")
"""Tasks of models that the harness asks."""


@dataclass(frozen=True)
class BenchmarkTasks:
    """What is run.

    given: as it is recorded -> what the harness takes for it. data: data sets without a task of the
    harness, by their names.
    """

    given: Mapping[str, str | Mapping[str, Any]] = field(default_factory=dict)
    data: Mapping[str, Source] = field(default_factory=dict)


def benchmark_tasks(recipe: Recipe) -> BenchmarkTasks:
    """The tasks that a recipe names, found before anything is downloaded for the merge.

    Raises: RecipeError, if the harness is not installed where it is needed, has no such task, or a
    data set is none of the Hub, or the one that is measured on anyway; NotFoundError, AccessError.
    """
    named = [name for name in recipe.eval if "/" not in name]
    sources = {name: _source(name, recipe) for name in recipe.eval if "/" in name}
    with_task = [name for name, source in sources.items() if TASK_FILE in file_sizes(source)]
    if named or with_task:
        require_harness([*named, *with_task])
        check_names(named)
    given: dict[str, str | Mapping[str, Any]] = {}
    for name in recipe.eval:
        if name in named:
            given[name] = name
        elif name in with_task:
            source = sources[name]
            text = fetch_file(source, TASK_FILE).read_text("utf-8", "replace")
            folder = str(fetch(source))
            given[f"{source.id}@{source.sha}"] = read_task_file(text, source.id, folder)
    data = {name: source for name, source in sources.items() if name not in with_task}
    return BenchmarkTasks(given, data)


def _source(name: str, recipe: Recipe) -> Source:
    source = resolve(name, "dataset")
    if source.kind != "hub":
        raise RecipeError(
            f"{option('eval', name)} is no data set of the Hub",
            hint="a task of lm-evaluation-harness, or OWNER/NAME",
            field="eval",
        )
    if recipe.dataset is not None and recipe.dataset.id.partition("@")[0] == source.id:
        raise RecipeError(
            f"{option('eval', name)} is the data set that the merge is measured on anyway",
            hint=leave_out("eval"),
            field="eval",
        )
    return source


def check_tasks(tasks: BenchmarkTasks, inputs: MergeInputs) -> None:
    """Raises: RecipeError, if what is asked for is for models of another task."""
    task = inputs.models[0].task
    writes = task is not None and task.name in TASKS
    if tasks.given and not writes:
        raise RecipeError(
            f"{option('eval', *tasks.given)} is for language models",
            found=f"these are for {'no known task' if task is None else task.name}",
            hint="a data set of the Hub for that task" if task else leave_out("eval"),
            field="eval",
        )
    if tasks.data and (writes or task is None):
        raise RecipeError(
            f"{option('eval', *tasks.data)} has no {TASK_FILE}, by which language models are asked"
            if writes
            else f"{option('eval', *tasks.data)}: the models are for no known task",
            hint="a task of lm-evaluation-harness, or a data set with such a file"
            if writes
            else leave_out("eval"),
            field="eval",
        )


def benchmark(
    run: Run,
    tasks: BenchmarkTasks,
    inputs: MergeInputs,
    alignment: Alignment,
    fused: FusedModel,
    merge: LoadedModel,
) -> tuple[Benchmark, ...]:
    """What every contender scores, and the merge against each, row by row. Called by all processes
    alike; the main one asks the models.
    """
    if not tasks.given:
        return ()
    names = roles("parent", len(inputs.models))
    runs: dict[str, dict[str, list[TaskRun]]] = {}

    def ask(role: str, model: PreTrainedModel, tokenizer: Any) -> None:
        found = run.workers.on_main(lambda: _asked(tasks, model, tokenizer))
        for given, by_task in found.items():
            for task, each in by_task.items():
                runs.setdefault(given, {}).setdefault(task, []).append(each)

    with run.workers.single_threaded_ops():
        for role, parent in zip(names, inputs.models, strict=True):
            ask(role, parent.model, parent.tokenizer)
        ask("naive", alignment.naive.model(fused.lam), merge.tokenizer)
        ask("merge", merge.model, merge.tokenizer)
    contenders = [*names, "naive", "merge"]
    return run.workers.on_main(
        lambda: tuple(
            _record(given, task, dict(zip(contenders, each, strict=True)))
            for given, by_task in runs.items()
            for task, each in by_task.items()
        )
    )


def _asked(
    tasks: BenchmarkTasks, model: PreTrainedModel, tokenizer: Any
) -> dict[str, dict[str, TaskRun]]:
    seq2seq = bool(model.config.is_encoder_decoder)
    return {
        given: run_tasks(model, tokenizer, [task], seq2seq=seq2seq)
        for given, task in tasks.given.items()
    }


def _record(given: str, task: str, runs: Mapping[str, TaskRun]) -> Benchmark:
    merge = runs["merge"]
    settings = merge.settings
    own = given.partition("@")[0] if "/" in given else settings.get("dataset_path")
    dataset, config = str(own or ""), settings.get("dataset_name")
    split = str(settings.get("test_split") or settings.get("validation_split") or "")
    sha, written = _on_hub(given, dataset, config, split)
    return Benchmark(
        given=given,
        task=task,
        version=merge.version,
        harness=harness_version(),
        metric=merge.log.metric,
        higher_is_better=merge.higher_is_better,
        shots=int(settings.get("num_fewshot") or 0),
        dataset=dataset,
        config=str(config) if config else None,
        split=split,
        sha=sha,
        hub_task=written,
        n=merge.log.n,
        scores={role: each.log.value for role, each in runs.items()},
        differences=[
            difference(merge.log, each.log, role) for role, each in runs.items() if role != "merge"
        ],
    )


def _on_hub(given: str, dataset: str, config: object, split: str) -> tuple[str | None, str | None]:
    """The commit of a data set, and the task of the Hub's benchmark that this is."""
    try:
        source = resolve(given if "/" in given else dataset, "dataset")
        return source.sha, hub_task(source, str(config) if config else None, split)
    except HubmergeError:
        return None, None
