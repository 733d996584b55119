"""Benchmarks of the Hub: data sets whose `eval.yaml` says how they are run, and by what.

Source: https://huggingface.co/docs/hub/eval-results
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResultEntry
from huggingface_hub._eval_results import eval_result_entries_to_yaml

from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.source import Source
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_yaml

EVAL_FILE = "eval.yaml"
"""File of a data set by which it is a benchmark."""
RESULTS = ".eval_results"
"""Folder of a model that holds its results in benchmarks."""
FRAMEWORKS = frozenset({"lm-eval", "lm_eval", "lm-eval-harness", "lm-evaluation-harness"})
"""What an `eval.yaml` may call lm-evaluation-harness."""
DEFAULT = "default"
"""The configuration of a data set that has only one."""


def hub_task(source: Source, config: str | None, split: str) -> str | None:
    """The id of the benchmark's task that asks this configuration and split, as it is written for
    lm-evaluation-harness; None if the data set is no benchmark, or one of another framework.
    """
    if EVAL_FILE not in file_sizes(source):
        return None
    try:
        said = read_yaml(fetch_file(source, EVAL_FILE).read_text("utf-8", "replace"))
    except UnreadableYamlError:
        return None
    return task_in(said, config, split)


def task_in(said: Any, config: str | None, split: str) -> str | None:
    """The same of what an `eval.yaml` says."""
    if not isinstance(said, Mapping) or said.get("evaluation_framework") not in FRAMEWORKS:
        return None
    tasks = said.get("tasks")
    found = [
        str(each["id"])
        for each in (tasks if isinstance(tasks, list) else ())
        if isinstance(each, Mapping)
        and isinstance(each.get("id"), str)
        and (each.get("config") or DEFAULT) == (config or DEFAULT)
        and each.get("split") == split
    ]
    return found[0] if len(found) == 1 else None


def entries_yaml(entries: list[EvalResultEntry]) -> str:
    """The text of a file in `RESULTS`."""
    return yaml.safe_dump(eval_result_entries_to_yaml(entries), sort_keys=False, allow_unicode=True)


def result_files(folder: Path) -> list[str]:
    """Results in benchmarks that lie in a model's folder, by relative names."""
    place = folder / RESULTS
    found = sorted(place.glob("*.yaml")) if place.is_dir() else []
    return [f"{RESULTS}/{path.name}" for path in found if path.is_file()]
