"""Benchmarks as they are shown, and as the Hub takes them."""

from __future__ import annotations

import re
from collections.abc import Collection

from huggingface_hub import EvalResult, EvalResultEntry

from hubmerge.evaluation.harness.results import Benchmark
from hubmerge.hub.benchmarks import RESULTS, entries_yaml
from hubmerge.reporting import escape
from hubmerge.reporting.numbers import MISSING, count, figure, signed
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.survey_kinds import Table
from hubmerge.utils.parent_names import display_name, roles

OTHERS = {"naive": "naive average", "merge": "merge"}


def benchmark_table(report: Report) -> Table | None:
    """A row per task, a column per contender; None without benchmarks."""
    benchmarks = report.benchmarks or []
    if not benchmarks:
        return None
    names = contenders(report, benchmarks[0].scores)
    head = ("task", "metric", "rows", *map(_named, names))
    rows = [
        (
            each.task,
            f"{each.metric}{'' if each.higher_is_better else ' (lower is better)'}",
            count(each.n),
            *(figure(each.scores[name]) for name in names),
        )
        for each in benchmarks
    ]
    return Table(head, rows)


def contenders(report: Report, known: Collection[str]) -> list[str]:
    """Those of `known` in the order of all tables: a report that was read has another one."""
    order = (*roles("parent", len(report.models)), "naive", "merge")
    return [name for name in order if name in known]


def difference_table(report: Report) -> Table | None:
    """The merge minus every other contender, with its bounds."""
    rows = [
        (
            each.task,
            _named(other.other),
            signed(other.difference),
            _bound(other.low),
            _bound(other.high),
        )
        for each in report.benchmarks or []
        for other in each.differences
    ]
    return Table(("task", "the merge minus", "difference", "low", "high"), rows) if rows else None


def how(report: Report) -> str:
    """How they were run, in a sentence or two."""
    asked = [each for each in report.benchmarks or [] if each.harness is not None]
    measured = [each for each in report.benchmarks or [] if each.harness is None]
    said = []
    if asked:
        run = ", ".join(
            f"{each.task} version {each.version}, {each.shots}-shot, on {_rows(each)}"
            for each in asked
        )
        version = asked[0].harness
        said.append(f"Run by lm-evaluation-harness {version} on all contenders: {run}.")
    if measured:
        sets = "; ".join(map(_rows, measured))
        said.append(f"Measured as the rows above, and used for nothing else: {sets}.")
    return " ".join(said)


def _rows(benchmark: Benchmark) -> str:
    config = f" ({benchmark.config})" if benchmark.config else ""
    return f"{benchmark.dataset}{config}, split {benchmark.split}"


def model_index(report: Report) -> list[EvalResult]:
    """The merge's scores for the card's metadata."""
    line = escape.one_line
    return [
        EvalResult(
            task_type=line(report.merged.pipeline_tag or ""),
            dataset_type=line(each.dataset),
            dataset_name=line(each.task),
            dataset_config=line(each.config) if each.config else None,
            dataset_split=line(each.split),
            dataset_revision=each.sha,
            dataset_args={"rows": each.n}
            | ({} if each.harness is None else {"num_few_shot": each.shots}),
            metric_type=line(each.metric),
            metric_name=line(each.metric)
            if each.harness is None
            else f"{line(each.metric)}, {each.shots}-shot",
            metric_value=each.scores["merge"],
        )
        for each in report.benchmarks or []
    ]


def eval_result_files(report: Report) -> dict[str, bytes]:
    """File -> content, of results in benchmarks of the Hub that were run as they are written.

    They feed the Hub's leaderboards, so that nothing else is in them.
    """
    found: dict[str, list[EvalResultEntry]] = {}
    for each in report.benchmarks or []:
        if each.hub_task is not None and each.sha is not None:
            entry = EvalResultEntry(
                dataset_id=each.dataset,
                task_id=each.hub_task,
                value=each.scores["merge"],
                dataset_revision=each.sha,
                notes=f"{each.shots}-shot, lm-evaluation-harness {each.harness}",
            )
            found.setdefault(f"{RESULTS}/{_file_name(each)}.yaml", []).append(entry)
    return {name: entries_yaml(entries).encode() for name, entries in found.items()}


def _file_name(benchmark: Benchmark) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", benchmark.dataset).strip(".-") or "results"


def _named(role: str) -> str:
    return OTHERS.get(role) or display_name(role)


def _bound(value: float | None) -> str:
    return MISSING if value is None else signed(value)
