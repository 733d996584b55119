"""The paths on training rows, beside the reported ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hubmerge.errors import DataError, RecipeError
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

TWO = ("me/mlp-a", "me/mlp-b")
DATA = ("--dataset", "me/digits", "--samples", 100, "--match", "weights")


def reported(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "report.json").read_text())


def test_training_rows_are_measured_and_change_nothing_else(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    out, plain = tmp_path / "out", tmp_path / "plain"
    chosen = (*DATA, "--calibration-samples", 500)
    done = hubmerge("merge", *TWO, *chosen, "--train-samples", 400, "-o", out).succeeded()
    hubmerge("merge", *TWO, *chosen, "-o", plain).succeeded()
    report, before = reported(out), reported(plain)
    training = report["barrier"].pop("training")
    assert {key: report[key] for key in before if key not in ("run", "barrier")} == {
        key: before[key] for key in before if key not in ("run", "barrier")
    }
    assert report["barrier"] == before["barrier"]
    assert training["rows"]["rows"] == 400
    assert training["used"] == 500 + 400 - zoo.TRAIN_ROWS
    test = report["barrier"]["detail"]
    for path in ("naive", "matched"):
        assert training[path]["n"] == 400
        lams = [point["lam"] for point in training[path]["points"]]
        assert lams == [point["lam"] for point in test[path]["points"]]
        assert training[path]["error_barrier"]["low"] <= training[path]["error_barrier"]["value"]
    # The parents learned from these rows, and it shows.
    assert training["matched"]["points"][0]["loss"] < test["matched"]["points"][0]["loss"]
    for shown in (done.out, (out / "README.md").read_text()):
        assert "100 are calibration rows too" in shown
    again = hubmerge("verify", out, "--json").succeeded()
    assert again.json["outcome"] == "identical"
    checked = {check["what"] for check in again.json["checks"]}
    assert "barrier.training.matched.error_barrier.value" in checked


def test_what_cannot_be_had_is_refused(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    more = ("--train-samples", zoo.TRAIN_ROWS + 1)
    hubmerge("merge", *TWO, *DATA, *more, "-o", out).refused(DataError, "800 rows")
    hubmerge("merge", *TWO, "--match", "weights", "--train-samples", 10, "-o", out).refused(
        RecipeError, "--train-samples 10"
    )
    assert not out.exists()


def test_more_points_may_be_asked_for(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    points = {}
    for budget in (0, 20):
        folder = tmp_path / str(budget)
        few = (*DATA, "--calibration-samples", 60, "--path-points", budget)
        hubmerge("merge", *TWO, *few, "-o", folder).succeeded()
        curve = reported(folder)["barrier"]["detail"]["naive"]
        points[budget] = curve
    assert len(points[0]["points"]) == 11
    assert not points[0]["barrier"]["settled"]
    assert 11 < len(points[20]["points"]) < 31
    for barrier in ("barrier", "calibrated_barrier", "error_barrier"):
        assert points[20][barrier]["settled"]
        assert points[20][barrier]["value"] >= points[0][barrier]["value"]
