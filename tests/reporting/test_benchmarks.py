"""Benchmarks on card and in metadata; the Hub's leaderboards get what was run as it is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard, parse_eval_result_entries

from hubmerge.evaluation.harness.results import Benchmark, Difference
from hubmerge.hub.benchmarks import result_files, task_in
from hubmerge.reporting.benchmarks import eval_result_files
from hubmerge.reporting.card import render_card
from hubmerge.reporting.schema.report import Report, SampleText
from hubmerge.reporting.text import render_text
from hubmerge.reporting.write import write_report
from hubmerge.verification.claims import check_results
from hubmerge.verification.result import Outcome
from tests.helpers.example_report import example


def quiz(**changes: object) -> Benchmark:
    """The merge is right in 0.75 of 200 questions."""
    fields = {
        "given": "quiz",
        "task": "quiz",
        "version": "1",
        "harness": "0.4.13",
        "metric": "acc",
        "higher_is_better": True,
        "shots": 0,
        "dataset": "o/quiz",
        "config": None,
        "split": "test",
        "sha": "e" * 40,
        "n": 200,
        "scores": {"parent_a": 0.7, "parent_b": 0.65, "naive": 0.25, "merge": 0.75},
        "differences": [Difference(other="parent_a", difference=0.05, low=0.01, high=0.09)],
    }
    return Benchmark(**{**fields, **changes})


WRITTEN = {"hub_task": "quiz_main"}
FILE = ".eval_results/o-quiz.yaml"


def test_only_what_was_run_as_it_is_written_is_told_to_leaderboards() -> None:
    assert eval_result_files(example()) == {}
    assert eval_result_files(example(benchmarks=[quiz()])) == {}
    report = example(benchmarks=[quiz(**WRITTEN), quiz(task="other")])
    ((name, content),) = eval_result_files(report).items()
    assert name == FILE
    (entry,) = parse_eval_result_entries(yaml.safe_load(content))
    assert (entry.dataset_id, entry.task_id, entry.value) == ("o/quiz", "quiz_main", 0.75)
    assert entry.dataset_revision == "e" * 40


def test_every_benchmark_is_on_the_card_and_in_its_metadata() -> None:
    report = example(benchmarks=[quiz()])
    card = ModelCard(render_card(report))
    assert "| quiz | acc | 200 | 0.700 | 0.650 | 0.250 | 0.750 |" in card.content
    assert "| quiz | parent A | +0.050 | +0.010 | +0.090 |" in card.content
    found = [each for each in card.data.eval_results or [] if each.dataset_name == "quiz"]
    assert [(each.metric_type, each.metric_value) for each in found] == [("acc", 0.75)]
    assert "quiz" in render_text(report)
    assert Report.model_validate_json(report.to_json()) == report


def test_samples_are_marked_and_stay_text() -> None:
    sample = SampleText(prompt="Once", texts={"parent_a": "<b>|x", "merge": "`upon`\n# a time"})
    card = render_card(example(samples=[sample]))
    assert "no measurement" in card
    assert "<b>" not in card.replace("`<b>\\|x`", "")
    assert "\n# a time" not in card


def test_a_report_that_was_read_gives_the_same_card() -> None:
    """Names are sorted in report.json; what is shown has an order of its own."""
    texts = {"parent_a": "x", "parent_b": "y", "merge": "z"}
    report = example(benchmarks=[quiz()], samples=[SampleText(prompt="Once", texts=texts)])
    assert render_card(Report.model_validate_json(report.to_json())) == render_card(report)


def test_results_that_the_report_has_not_do_not_hold(tmp_path: Path) -> None:
    report = example(benchmarks=[quiz(**WRITTEN)])
    write_report(report, tmp_path)
    assert result_files(tmp_path) == [FILE]
    there = {FILE: (tmp_path / FILE).read_bytes()}
    assert [each.outcome for each in check_results(there, report)] == [Outcome.IDENTICAL]
    higher = {FILE: there[FILE].replace(b"0.75", b"0.99")}
    for found, said in ((higher, report), ({}, report), (there, example())):
        assert [each.outcome for each in check_results(found, said)] == [Outcome.DOES_NOT_HOLD]


TASK = {"id": "quiz_main", "config": "default", "split": "test"}


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"evaluation_framework": "lm-eval", "tasks": [TASK]}, "quiz_main"),
        ({"evaluation_framework": "inspect-ai", "tasks": [TASK]}, None),
        ({"evaluation_framework": "lm-eval", "tasks": [{**TASK, "split": "train"}]}, None),
        ({"evaluation_framework": "lm-eval", "tasks": [TASK, TASK]}, None),
        ({"evaluation_framework": "lm-eval", "tasks": 5}, None),
        ([TASK], None),
    ],
)
def test_a_task_is_the_hubs_where_its_framework_configuration_and_split_are(
    said: object, found: str | None
) -> None:
    assert task_in(said, None, "test") == found
