"""Surveys that a merge carries: in its report, in its folder and on its card, and checked again."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import RecipeError
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

TWO = ("me/mlp-a", "me/mlp-b")
FEW = ("--dataset", "me/digits", "--samples", 60, "--calibration-samples", 60)
BY_WEIGHTS = (*FEW, "--match", "weights")


def reported(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def carries(folder: Path, out: str, *names: str) -> dict[str, Any]:
    """The surveys in the report, each of which is on the card, in the folder and in the text."""
    surveys = reported(folder)["surveys"]
    assert set(surveys) == set(names)
    card = html.unescape((folder / "README.md").read_text())
    for name in names:
        assert f"]({name}.png)" in card
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        for shown in (card, out):
            assert surveys[name]["sentence"] in shown
    return surveys


def test_two_models_carry_path_and_plane_and_all_of_it_is_checked(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    # Where units are brought to one size, A is, too, and the plane has no naive average.
    alike = ("--symmetry", "permutations")
    wanted = (*BY_WEIGHTS, *alike, "--path", "full", "--survey", "path", "--survey", "plane")
    done = hubmerge("merge", *TWO, *wanted, "-o", out).succeeded()
    surveys = carries(out, done.out, "path", "plane")
    report = reported(out)
    # The straight paths of the survey are those of the merge itself, looked at in full.
    for path, curve in (("naive", "naive"), ("straight", "matched")):
        mine, its = surveys["path"][path], report["barrier"]["detail"][curve]
        assert [p["lam"] for p in mine["points"]] == [p["lam"] for p in its["points"]]
        for left, right in zip(mine["points"], its["points"], strict=True):
            assert left["loss"] == pytest.approx(right["loss"], abs=1e-5)
    naive = report["contenders"]["naive"]["loss"]
    assert surveys["plane"]["middles"]["B as given"]["loss"] == pytest.approx(naive, abs=1e-5)
    again = hubmerge("verify", out, "--json").succeeded()
    assert again.json["outcome"] == "identical"
    checked = {check["what"] for check in again.json["checks"]}
    assert {"path.png", "plane.png", "surveys.path.found.error_barrier.value"} <= checked
    assert "surveys.plane.middles.B aligned.loss" in checked
    alone = hubmerge("verify", out, "--weights-only", "--json").succeeded().json
    assert not [check for check in alone["checks"] if check["part"] == "surveys"]


def test_three_models_carry_their_simplex(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path, tmp_path: Path
) -> None:
    third = zoo.trained("mlp", 3)
    folder = zoo.write_model(tmp_path / "c", third, "mlp")
    wanted = (*TWO, folder, *BY_WEIGHTS, "--survey", "simplex")
    done = hubmerge("merge", *wanted, "-o", out).succeeded()
    (simplex,) = carries(out, done.out, "simplex")["simplex"]["simplexes"]
    assert simplex["multi_match"] == "cycle-consistent"
    (middle,) = (place for place in simplex["places"] if place["kind"] == "face")
    assert middle["loss"] == pytest.approx(reported(out)["contenders"]["merge"]["loss"], abs=1e-5)


def test_what_cannot_be_checked_is_reported_and_stops_nothing(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    wanted = (*FEW, "--match", "none", "--survey", "plane")
    hubmerge("merge", *TWO, *wanted, "-o", out).succeeded()
    assert reported(out)["surveys"] == {}
    assert any("span no plane" in limit for limit in reported(out)["limits"])
    assert "Loss landscape" not in (out / "README.md").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*TWO, *FEW, "--survey", "simplex"), "three models or more"),
        ((*TWO, "me/mlp-a", *FEW, "--survey", "plane"), "takes two models"),
        ((*TWO, *FEW, "--survey", "path", "--survey", "path"), "named twice"),
        ((*TWO, *FEW, "--survey", "atlas"), "path"),
        ((*TWO, "--survey", "path"), "measures losses"),
        ((*TWO, *FEW, "--survey", "path", "--repair", "repair"), "straight line"),
        ((*TWO, *FEW[:2], "--samples", 300, "--survey", "path"), "validation rows"),
    ],
)
def test_what_cannot_be_surveyed_is_refused_before_anything_is_made(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path, words: tuple[Any, ...], said: str
) -> None:
    hubmerge("merge", *words, "-o", out).refused(RecipeError, said)
    assert not out.exists()
