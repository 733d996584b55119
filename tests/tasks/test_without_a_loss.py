"""A task whose rows have no loss: figures with intervals, no path, and the verdict "not judged"."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.data.column_types import CLASSES
from hubmerge.models.metrics import Mean, OfSums, f1_of
from hubmerge.registry import registry
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import Measure, Words
from hubmerge.verification.result import Outcome
from hubmerge.verification.verify import verify
from spaces_app.ui import report_view
from tests.helpers import texts
from tests.helpers.command_line import quickly
from tests.tasks.test_added_task import NAME, pair_of_parents, task

WORDS = Words(
    accuracy="share of texts that are right",
    scale="F1 is that of yes",
    measured="share of texts that are right, F1",
    calibrates=False,
    has_loss=False,
)


@dataclass(frozen=True)
class Answers:
    """What is said of each row, and what is right: nothing here is a loss."""

    said: np.ndarray
    labels: np.ndarray

    calibrates = False
    calibration_error = None
    finite = True

    def __len__(self):
        return len(self.labels)

    @property
    def metric(self):
        return Mean(self.said == self.labels)

    @property
    def others(self):
        found = np.stack([self.said * self.labels, self.said, self.labels], 1).astype(float)
        return {"F1": OfSums(found, f1_of)}

    def first(self, rows):
        return Answers(self.said[:rows], self.labels[:rows])

    def fitted_temperature(self):
        return None


class Statistics:
    def width(self, config):
        return 1

    def rows_at_once(self, config, labels):
        return None

    def ask(self, model, inputs):
        return model(**inputs)

    def of_batch(self, answer, labels):
        return answer.logits.argmax(1, keepdim=True).double().cpu()

    def outputs(self, figures, labels, answers):
        return Answers(figures[:, 0].astype(int), labels)


MEASURE = Measure(
    name="yes or no",
    statistics=lambda config: Statistics(),
    answers=CLASSES,
    ensemble=False,
    one_of_n=False,
    words=WORDS,
)


@pytest.fixture
def parents(tmp_path):
    """Two models of the task, and rows; merged in this folder."""
    made = replace(task(), measures=(MEASURE,))
    known = registry("tasks")
    known.add(made.accepts, lambda name: made, NAME)
    pair_of_parents(tmp_path)
    said = [f"{a} {b} {c} ." for a in texts.WHO for b in texts.WHO for c in texts.WHO]
    types = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
    rows = {"text": said, "label": [len(text) % 2 for text in said]}
    splits = {name: Dataset.from_dict(rows, features=types) for name in ("train", "test")}
    DatasetDict(splits).save_to_disk(str(tmp_path / "data"))
    yield [tmp_path / "parent0", tmp_path / "parent1"]
    for place in (known._registered, known._outside):
        place.pop(NAME, None)


def run(*line):
    return CliRunner().invoke(app, [str(each) for each in line])


def test_its_merges_have_figures_and_are_not_judged(parents, tmp_path):
    line = ["merge", *parents, "--dataset", tmp_path / "data", "-o", tmp_path / "out", "-q"]
    done = run(*line, "--samples", 60, *quickly(*map(str, line)))
    assert done.exit_code == 0, (done.output, done.exception)
    report = Report.read(tmp_path / "out")
    assert report.verdict == "not judged"
    assert report.verdict_sentence.startswith("Not judged: share of texts that are right 0.")
    merge = report.contenders.merge
    assert merge.accuracy_low <= merge.accuracy <= merge.accuracy_high
    assert merge.scores["F1"].low <= merge.scores["F1"].value <= merge.scores["F1"].high
    assert merge.loss is merge.calibrated_loss is report.barrier.naive is None
    assert report.comparisons[0].accuracy_low is not None
    assert report.comparisons[0].calibrated_loss_difference is None
    card = (tmp_path / "out" / "README.md").read_text()
    figures = f"| {merge.accuracy:.3f} ({merge.accuracy_low:.3f} to {merge.accuracy_high:.3f}) |"
    assert "|  | share of texts that are right | F1 |\n" in card
    assert figures in card
    assert "verdict: not judged" in card
    assert "not measured, because rows of this task have no loss" in card
    assert not (tmp_path / "out" / "barrier.png").exists()
    said = str(report_view.verdict(report)) + str(report_view.contenders(report))
    assert "Not judged" in said
    assert "loss</" not in said
    found = verify(str(tmp_path / "out"), level="measure")
    assert {check.outcome for check in found.checks} == {Outcome.IDENTICAL}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--fuse", "greedy-soup"), "goes by the losses of rows"),
        (("--survey", "path"), "goes by the losses of rows"),
        (("--refine", "distill"), "reads outputs as a distribution"),
    ],
    ids=str,
)
def test_what_goes_by_losses_is_refused_before_anything_is_loaded(asked, said, parents, tmp_path):
    refused = run("plan", *parents, "--dataset", tmp_path / "data", *asked)
    assert refused.exit_code != 0
    assert said in str(refused.exception)
    plain = run("plan", *parents, "--dataset", tmp_path / "data")
    assert "share of texts that are right, F1" in plain.output
    assert "barrier" not in plain.output


def test_a_measure_without_a_loss_has_nothing_that_needs_one():
    with pytest.raises(ValueError, match="have no loss"):
        replace(MEASURE, one_of_n=True)
