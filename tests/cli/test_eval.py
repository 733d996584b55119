"""Benchmarks: of language models by lm-evaluation-harness, with a task that the Hub serves; of
others, further data sets of the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from datasets import Dataset, DatasetDict

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


@pytest.mark.slow
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


@pytest.mark.slow
def test_models_that_write_nothing_are_refused(
    quiz: str, hubmerge: CommandLine, parents: dict[str, dict]
) -> None:
    pytest.importorskip("lm_eval")
    done = hubmerge("merge", "me/mlp-a", "me/mlp-b", "--eval", quiz)
    done.refused(RecipeError, "for language models")
    unknown = hubmerge("merge", "me/quiz-a", "me/quiz-b", "--eval", "hellaswagg")
    unknown.refused(RecipeError, "hellaswag")


def test_other_models_are_measured_on_data_sets_by_their_ids(
    hub: EmbeddedHub, hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    few = zoo.rows()["test"].select(range(60))
    place = zoo.write_data(tmp_path / "few", DatasetDict(test=few))
    zoo.push(hub, "me/few-digits", place, "dataset")
    out, models = tmp_path / "both", ["me/mlp-a", "me/mlp-b", "--match", "weights"]
    hubmerge("merge", *models, "--eval", "me/few-digits", "--push", "me/on-few", "-o", out)
    (found,) = json.loads((out / "report.json").read_text())["benchmarks"]
    assert (found["dataset"], found["split"], found["n"]) == ("me/few-digits", "test", 60)
    assert (found["harness"], found["metric"]) == (None, "accuracy")
    assert set(found["scores"]) == {"parent_a", "parent_b", "naive", "merge"}
    assert found["scores"]["parent_a"] > 0.5 > found["scores"]["naive"]
    assert all(each["low"] <= each["difference"] <= each["high"] for each in found["differences"])
    card = (out / "README.md").read_text()
    assert "Measured as the rows above, and used for nothing else: me/few" in card
    assert "| me/few-digits | accuracy | 60 |" in card
    assert not (out / ".eval_results").exists()
    checked = json.loads(hubmerge("verify", "me/on-few", "--json").succeeded().out)["checks"]
    assert {each["outcome"] for each in checked if each["part"] == "benchmarks"} == {"identical"}
    again = ("--dataset", "me/few-digits", "--eval", "me/few-digits")
    hubmerge("merge", *models, *again).refused(RecipeError, "measured on anyway")
