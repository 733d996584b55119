"""Benchmarks of language models by lm-evaluation-harness, with a task that the Hub serves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub
from tests.helpers import texts, zoo
from tests.helpers.command_line import CommandLine

TASK = """
task: quiz
test_split: test
output_type: multiple_choice
doc_to_text: "{{ question }}"
doc_to_choice: [cat, dog]
doc_to_target: answer
metric_list:
  - metric: acc
metadata:
  version: 3
"""
BENCHMARK = """
evaluation_framework: lm-eval
tasks:
  - id: quiz_main
    config: default
    split: test
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def quiz(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A data set of 40 questions with its task file, and two models: me/quiz-a and me/quiz-b."""
    place = tmp_path_factory.mktemp("quiz")
    rows = place / "rows"
    rows.mkdir()
    asked = {"question": ["the small"] * 40, "answer": [0, 1] * 20}
    Dataset.from_dict(asked).to_parquet(str(rows / "test.parquet"))
    (rows / "task.yaml").write_text(TASK)
    (rows / "eval.yaml").write_text(BENCHMARK)
    zoo.push(hub, "me/quiz", rows, "dataset")
    for seed, letter in enumerate("ab"):
        torch.manual_seed(seed)
        folder = texts.saved(texts.llama(), place / letter)
        zoo.push(hub, f"me/quiz-{letter}", folder)
    return "me/quiz"


def test_parents_naive_and_merge_are_asked_and_the_hub_is_told(
    quiz: str, hub: EmbeddedHub, hubmerge: CommandLine, tmp_path: Path
) -> None:
    pytest.importorskip("lm_eval")
    out = tmp_path / "both"
    models, where = ["me/quiz-a", "me/quiz-b"], ["--push", "me/quizzed", "-o", out]
    hubmerge("merge", *models, "--match", "weights", "--eval", quiz, *where).succeeded()
    report = json.loads((out / "report.json").read_text())
    (found,) = report["benchmarks"]
    assert (found["task"], found["metric"], found["n"], found["shots"]) == ("quiz", "acc", 40, 0)
    assert set(found["scores"]) == {"parent_a", "parent_b", "naive", "merge"}
    assert [each["other"] for each in found["differences"]] == ["parent_a", "parent_b", "naive"]
    assert found["hub_task"] == "quiz_main"
    assert "## Benchmarks" in (out / "README.md").read_text()
    told = hub.api().model_info("me/quizzed", expand=["evalResults"]).eval_results
    assert told is not None
    assert [(each.dataset_id, each.task_id) for each in told] == [("me/quiz", "quiz_main")]
    assert told[0].value == found["scores"]["merge"]
    checked = hubmerge("verify", "me/quizzed", "--json").succeeded()
    outcomes = {each["part"]: each["outcome"] for each in json.loads(checked.out)["checks"]}
    assert outcomes["benchmarks"] == "identical"


def test_models_that_write_nothing_are_refused(
    quiz: str, hubmerge: CommandLine, parents: dict[str, dict]
) -> None:
    pytest.importorskip("lm_eval")
    done = hubmerge("merge", "me/mlp-a", "me/mlp-b", "--eval", quiz)
    done.refused(RecipeError, "for language models")
    unknown = hubmerge("merge", "me/quiz-a", "me/quiz-b", "--eval", "hellaswagg")
    unknown.refused(RecipeError, "hellaswag")
