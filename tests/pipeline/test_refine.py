"""Whole merges that are refined: what is reported, compared, refused, and made again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from datasets import Dataset, DatasetDict
from safetensors.torch import load_file

import hubmerge as hm
from hubmerge.errors import RecipeError
from hubmerge.pipeline.plan import plan
from hubmerge.reporting.refined import added_nothing
from hubmerge.reporting.text import render_text
from hubmerge.tasks import DEFAULT_WORDS
from hubmerge.training import trainer
from hubmerge.utils.progress import be_quiet
from hubmerge.verification.result import Outcome
from hubmerge.verification.verify import verify
from tests.helpers import zoo
from tests.helpers.example_report import comparison, contenders
from tests.helpers.small_merges import rewrite_report

STEPS = 60


@pytest.fixture(scope="module", autouse=True)
def often():
    """Validation is looked at after every 20 steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "CHECK", 20)
        yield


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Heads a and b with batch norms; rows, and rows of which those to learn from are noise."""
    be_quiet()
    place, splits = tmp_path_factory.mktemp("refined"), zoo.feature_rows()
    noise = 30 * torch.randn(600, 64, generator=torch.Generator().manual_seed(0))
    content = {"embedding": noise.tolist(), "label": splits["train"]["label"]}
    train = Dataset.from_dict(content, features=splits["train"].features)
    few = DatasetDict(train=splits["train"], test=splits["test"].select([0]))
    return {
        **zoo.train_heads(splits, place),
        "rows": zoo.write_data(place / "rows", splits),
        "few": zoo.write_data(place / "few", few),
        "noise": zoo.write_data(place / "noise", DatasetDict(train=train, test=splits["test"])),
    }


def recipe(places: dict[str, Path], rows: str = "rows", **fields: object) -> hm.Recipe:
    asked = {"match": "none", "fuse": "average", "path_points": 0}
    asked |= {"refine": "distill", "refine_steps": STEPS}
    models = (str(places["a"]), str(places["b"]))
    return hm.Recipe(models=models, dataset=str(places[rows]), **(asked | fields))


@pytest.fixture(scope="module")
def made(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> hm.MergeResult:
    return hm.run(recipe(places), out=tmp_path_factory.mktemp("made") / "out")


def test_a_report_says_what_refining_brought_and_compares_with_the_refined_parent(made) -> None:
    report, refine = made.report, made.report.method.refine
    merge, parent = refine.merge, refine.refined_parent
    assert (refine.refine, refine.steps, merge.steps) == ("distill", STEPS, STEPS)
    assert merge.kept
    assert merge.divergence_after < merge.divergence_before
    assert merge.loss_after < merge.loss_before
    untouched = getattr(report.contenders, refine.parent)
    assert (report.contenders.refined_parent == untouched) is not parent.kept
    assert not parent.kept or parent.divergence_after < parent.divergence_before
    assert report.contenders.merge.accuracy > report.contenders.naive.accuracy
    names = [each.other for each in report.comparisons]
    assert names == ["parent_a", "parent_b", "naive", "refined_parent", "ensemble"]
    assert report.run.processor
    assert any("a refined network does not end" in limit for limit in report.limits)


def test_card_and_terminal_show_both(made) -> None:
    card = (made.folder / "README.md").read_text()
    letter = made.report.method.refine.parent[-1].upper()
    for text in (card, render_text(made.report)):
        assert f"Parent {letter} refined alike" in text
        assert f"{STEPS} steps, divergence from the parents" in text
    assert "All six on the same" in card
    taken = made.report.method.refine.merge
    assert taken.kept
    unit = made.report.data.unit
    assert f"predict together, on unlabelled {unit} (distill, {taken.best_step} steps)" in card


def test_on_the_same_processor_it_is_made_again(made) -> None:
    found = verify(str(made.folder))
    assert found.outcome is Outcome.IDENTICAL


@pytest.mark.parametrize("other", ["processor", "torch"])
def test_on_another_it_is_measured_and_not_made_again(made, tmp_path: Path, other: str) -> None:
    folder = Path(shutil.copytree(made.folder, tmp_path / "copy"))
    ran = json.loads((folder / "report.json").read_text())["run"]
    changed = {"processor": "abacus"} if other == "processor" else {}
    versions = {**ran["versions"], **({"torch": "1.0.0"} if other == "torch" else {})}
    rewrite_report(folder, run={**ran, **changed, "versions": versions})
    found = verify(str(folder))
    assert found.outcome is Outcome.NOT_CHECKED
    said = "another processor" if other == "processor" else "another version of torch"
    assert {check.why.partition(" (")[0] for check in found.of(Outcome.NOT_CHECKED)} == {
        f"not made again: {said}"
    }
    done = {check.part for check in found.checks if check.outcome is Outcome.IDENTICAL}
    assert {"weights", "published", "verdict", "card"} <= done


def test_without_data_weights_are_not_checked(made) -> None:
    found = verify(str(made.folder), weights_only=True)
    whys = {check.why for check in found.of(Outcome.NOT_CHECKED)}
    assert whys == {"refining takes the data set"}


def test_what_was_learned_from_other_rows_is_not_kept(places, tmp_path: Path) -> None:
    plain, refined = (
        hm.run(recipe(places, "noise", lam=0.0, **fields), out=tmp_path / name)
        for name, fields in (
            ("plain", {"refine": "none", "refine_steps": None}),
            ("refined", {}),
        )
    )
    refine = refined.report.method.refine
    assert not refine.merge.kept
    assert not refine.refined_parent.kept
    before, after = (load_file(each.folder / "model.safetensors") for each in (plain, refined))
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert "not kept: validation rows are no better" in render_text(refined.report)


@pytest.mark.parametrize(
    ("rows", "fields", "said"),
    [("rows", {"calibration_samples": 0}, "calibration"), ("few", {}, "validation")],
)
def test_without_rows_to_learn_from_or_choose_by_it_is_refused(
    places, tmp_path, rows, fields, said
) -> None:
    with pytest.raises(RecipeError, match=f"needs {said} rows") as refused:
        hm.run(recipe(places, rows, **fields), out=tmp_path / "out")
    assert refused.value.field == "refine"


@pytest.mark.parametrize(("effort", "handed_out"), [("best", True), ("standard", None)])
def test_at_effort_best_a_parent_certainly_better_is_the_result_and_called_so(
    places, tmp_path: Path, effort: str, handed_out: bool | None
) -> None:
    asked = {"effort": effort, "lam": 0.5, "refine": "auto", "refine_steps": 1}
    found = hm.run(recipe(places, **asked), out=tmp_path / "out")
    refine, contenders = found.report.method.refine, found.report.contenders
    assert refine.handed_out is handed_out
    assert (contenders.merge == contenders.refined_parent) is bool(handed_out)
    name = f"parent {refine.parent[-1].upper()} taught the mean prediction of all parents"
    card, told = (found.folder / "README.md").read_text(), render_text(found.report)
    assert all((f"no merge, but {name}" in text) is bool(handed_out) for text in (card, told))


def test_a_plan_says_what_it_costs(places) -> None:
    (found,) = [m for m in plan(recipe(places)).measurements if "refinement" in m.what]
    assert f"{STEPS} steps of 50 rows" in found.what
    assert f"{2 * STEPS * 50 * 3:,} rows" in found.rows


def test_models_in_memory_are_refined_too(places) -> None:
    a, b = (hm.load(str(places[letter])) for letter in "ab")
    rows = str(places["rows"])
    plain, refined = (
        hm.merge(a, b, refine=way, dataset=rows).model.state_dict() for way in ("none", "distill")
    )
    assert any(not torch.equal(value, refined[name]) for name, value in plain.items())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            " Merging added nothing certain to parent A refined alike: accuracy 0.893 against",
        ),
        ({"accuracy_low": 0.001}, ""),
        ({"calibrated_loss_high": -0.001}, ""),
        ({"accuracy_low": None}, ""),
    ],
)
def test_what_merging_added_is_said_by_rule(changes, said) -> None:
    given = contenders(refined_parent=(0.94, 0.3))
    compared = [comparison("parent_a"), comparison("refined_parent", **changes)]
    found = added_nothing(given, compared, "parent_a", words=DEFAULT_WORDS)
    assert found.startswith(said)
    assert bool(found) == bool(said)
