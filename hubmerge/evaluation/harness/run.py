"""Running tasks by lm-evaluation-harness, which is an extra: imported when it is used."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.evaluation.harness.samples import TaskLog, task_log
from hubmerge.utils.suggestions import did_you_mean

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PACKAGE = "lm_eval"
AT_ONCE = 8
"""Questions in a batch: fixed, since it decides the last bits."""
Tasks = Sequence[str | Mapping[str, Any]]
"""Names of the harness's own tasks and groups, and configurations of others."""


@dataclass(frozen=True)
class TaskRun:
    """One contender's run of a task. settings: the task's own, as the harness used them."""

    log: TaskLog
    version: str
    higher_is_better: bool
    settings: Mapping[str, Any]


def is_installed() -> bool:
    """Whether the harness is there."""
    return find_spec(PACKAGE) is not None


def require_harness(tasks: Sequence[str]) -> None:
    """Raises: RecipeError, if the harness is not installed."""
    if not is_installed():
        raise RecipeError(
            f"{option('eval', *tasks)} runs lm-evaluation-harness, which is not installed",
            hint="pip install 'hubmerge[eval]'",
            field="eval",
        )


def harness_version() -> str:
    """Of the installed package."""
    return importlib.metadata.version(PACKAGE)


def check_names(names: Sequence[str]) -> None:
    """Raises: RecipeError, with the nearest names, for what is no task or group of the harness."""
    if not names:
        return
    from lm_eval.tasks import TaskManager

    known = TaskManager().all_tasks
    for name in names:
        if name not in known:
            raise RecipeError(
                f"{option('eval', name)}: lm-evaluation-harness {harness_version()} has no such "
                "task",
                hint=did_you_mean(name, known) or "OWNER/NAME, a data set with a task.yaml",
                field="eval",
            )


def run_tasks(
    model: PreTrainedModel, tokenizer: Any, tasks: Tasks, *, seq2seq: bool = False
) -> dict[str, TaskRun]:
    """What a model scores: task -> its run, in the harness's order. The model stays where it is."""
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_defaults=any(isinstance(task, str) for task in tasks))
    wrapped = HFLM(
        pretrained=model,
        tokenizer=tokenizer,
        backend="seq2seq" if seq2seq else "causal",
        batch_size=AT_ONCE,
    )
    given = [task if isinstance(task, str) else dict(task) for task in tasks]
    found: Any = simple_evaluate(
        model=wrapped, tasks=given, task_manager=manager, bootstrap_iters=0, log_samples=True
    )
    runs = {}
    for name, samples in found["samples"].items():
        log = task_log(found["results"][name], samples)
        if log is not None:
            runs[name] = TaskRun(
                log=log,
                version=str(found["versions"].get(name, "")),
                higher_is_better=bool(found["higher_is_better"][name].get(log.metric, True)),
                settings=found["configs"][name],
            )
    return runs
