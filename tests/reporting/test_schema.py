"""report.json: what others build on, and that it says the same thing every time."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.reporting.schema.contenders import Contender, Contenders
from hubmerge.reporting.schema.report import MOST_BYTES, Barriers, Report
from tests.helpers.example_report import (
    comparison,
    contenders,
    curve,
    example,
    of_three,
    score,
    unmeasured,
)

FIGURES = ("loss", "accuracy")
CONTENDERS = ("parent_a", "parent_b", "naive", "merge", "ensemble")


@pytest.mark.parametrize("report", [example(), unmeasured()], ids=["measured", "unmeasured"])
def test_json_gives_back_the_same_report_and_the_same_text(report):
    text = report.to_json()
    again = Report.model_validate_json(text)
    assert again == report
    assert again.to_json() == text


@settings(deadline=None, max_examples=50)
@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 1),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_finite_number_and_any_text_survive_json(loss, accuracy, limit):
    scores = contenders().model_copy(update={"merge": Contender(loss=loss, accuracy=accuracy)})
    report = example(contenders=scores, limits=[limit])
    assert Report.model_validate_json(report.to_json()) == report


def test_the_fields_others_build_on_are_there():
    content = json.loads(example().to_json())
    assert content["schema_version"] == 1
    assert content["verdict"] == "as good"
    assert content["n"] == 1000
    assert [set(model) >= {"id", "sha"} for model in content["models"]] == [True, True]
    assert content["models"][0]["id"] == "org/left"
    assert (content["barrier"]["naive"], content["barrier"]["matched"]) == (2.0, 0.05)
    assert content["contenders"]["merge"]["accuracy"] == 0.893
    for name in CONTENDERS:
        assert all(isinstance(content["contenders"][name][figure], float) for figure in FIGURES)


def test_keys_are_sorted_at_every_depth():
    def pairs(found):
        assert [key for key, _ in found] == sorted(key for key, _ in found)
        return dict(found)

    json.loads(example().to_json(), object_pairs_hook=pairs)


def test_what_was_not_measured_is_null_and_still_there():
    content = json.loads(unmeasured().to_json())
    assert content["n"] == 0
    assert content["data"] is None
    assert content["barrier"]["naive"] is None
    assert content["barrier"]["matched"] is None
    for name in CONTENDERS:
        assert all(content["contenders"][name][figure] is None for figure in FIGURES)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_a_figure_that_is_not_finite_was_not_measured(bad):
    found = Contenders.model_validate({"merge": score(0.5, bad)}).merge
    assert (found.loss, found.calibrated_loss, found.accuracy) == (None, None, 0.5)
    broken = curve(0.3)
    point = broken.points[5].model_copy(update={"loss": bad})
    broken = broken.model_copy(update={"points": [*broken.points[:5], point, *broken.points[6:]]})
    assert Barriers.of(naive=broken, matched=curve(0.1)).naive is None
    assert Barriers.of(naive=broken, matched=curve(0.1)).matched == 0.1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_never_enters_a_report(bad):
    with pytest.raises(ValidationError, match="finite"):
        Contender(loss=bad)
    with pytest.raises(ValidationError, match="finite"):
        example(comparisons=[comparison("parent_a", accuracy_low=bad)])


def test_fields_are_exact():
    with pytest.raises(ValidationError, match="colour"):
        example(colour="green")
    with pytest.raises(ValidationError, match="n"):
        example(n="1000")
    with pytest.raises(ValidationError, match="verdict"):
        example(verdict="excellent")
    with pytest.raises(ValidationError, match="models"):
        example(models=[example().models[0]])


def test_read_finds_what_was_written(tmp_path):
    (tmp_path / "report.json").write_text(example().to_json(), encoding="utf-8")
    assert Report.read(tmp_path) == example()


def test_read_says_what_is_wrong(tmp_path):
    with pytest.raises(NotFoundError, match=r"report\.json"):
        Report.read(tmp_path)
    newer = json.loads(example().to_json()) | {"schema_version": 2}
    (tmp_path / "report.json").write_text(json.dumps(newer))
    with pytest.raises(RecipeError, match="schema_version"):
        Report.read(tmp_path)
    (tmp_path / "report.json").write_text(example().to_json()[:100])
    with pytest.raises(RecipeError, match="JSON"):
        Report.read(tmp_path)


def test_what_is_no_plain_text_or_says_something_twice_is_no_report(tmp_path):
    """Of a name that stands twice every reader takes another value."""
    path = tmp_path / "report.json"
    path.write_text(example().to_json().replace('"n": 1000,', '"n": 9000,\n  "n": 1000,', 1))
    with pytest.raises(RecipeError, match="says 'n' twice"):
        Report.read(tmp_path)
    path.write_text(example().to_json() + " " * MOST_BYTES)
    with pytest.raises(RecipeError, match="more than 16,777,216 bytes"):
        Report.read(tmp_path)
    path.unlink()
    os.mkfifo(path)  # nobody writes to it: reading would wait
    with pytest.raises(RecipeError, match="no regular file"):
        Report.read(tmp_path)
    with pytest.raises(NotFoundError, match="there is no folder"):
        Report.read(tmp_path / "missing")


def test_parents_and_their_figures_are_as_many():
    fields = json.loads(example().to_json())
    fields["models"].append(fields["models"][1])
    with pytest.raises(ValidationError, match="contenders of 2 parents, and 3 models"):
        Report.model_validate(fields)


def test_a_report_of_two_holds_nothing_of_more():
    content = json.loads(example().to_json())
    assert set(content["contenders"]) == set(CONTENDERS)
    assert not {"multi_match", "weights"} & set(content["method"])
    assert all("parent" not in space for space in content["method"]["spaces"])


def test_a_report_of_three_has_what_a_report_of_two_has_and_a_third_parent():
    report = of_three()
    content, of_two = json.loads(report.to_json()), json.loads(example().to_json())
    assert set(content) == set(of_two)
    assert set(content["contenders"]) == {*CONTENDERS, "parent_c"}
    assert content["contenders"]["parent_c"]["accuracy"] == 0.885
    assert content["method"]["weights"] == [0.5, 0.3, 0.2]
    assert Report.model_validate_json(report.to_json()) == report
    assert [each.accuracy for each in report.contenders.parents] == [0.895, 0.89, 0.885]


@pytest.mark.parametrize("name", ["parent_d", "parent_x", "uncle"])
def test_unknown_contenders_are_refused(name):
    with pytest.raises(ValidationError, match=name):
        contenders(**{name: (0.5, 0.5)})
