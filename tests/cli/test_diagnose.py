"""What `hubmerge diagnose` says of pairs that are trained here, and whether its advice is good."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoModelForImageClassification

from hubmerge.demo.train import pixels
from hubmerge.errors import RecipeError
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine
from tests.helpers.training_history import trained

WAYS = (("none", "average"), ("weights", "average"), ("auto", "average"), ("auto", "least-squares"))
DATA = ("--dataset", "me/digits", "--samples", 200, "--calibration-samples", 200)
NEAR = 0.015
"""Accuracy by which the advised merge may lie below the best one tried."""


@pytest.fixture(scope="module")
def pairs(parents: dict[str, dict], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Relation -> two models that stand in it."""
    place = tmp_path_factory.mktemp("related")
    a, b = parents["mlp"].values()
    model = AutoModelForImageClassification.from_pretrained(a)
    images, labels = pixels(zoo.course("mlp"), zoo.rows()["train"])
    tuned = trained(model, images[::2], labels[::2], seed=3, rate=5e-4)
    kin = zoo.write_model(place / "kin", tuned, "mlp")
    spec = spec_of(tuned)
    order = random_permutation(spec, 5)
    tuned.load_state_dict(permute(spec, tuned.state_dict(), order))
    copy = zoo.write_model(place / "copy", tuned, "mlp")
    return {"kin": (a, kin), "copies": (a, copy), "strangers": (a, b)}


def advised(hubmerge: CommandLine, pair: tuple[Path, Path]) -> dict[str, Any]:
    done = hubmerge("diagnose", *pair, "--dataset", "me/digits", "--json").succeeded()
    return json.loads(done.out)


@pytest.mark.parametrize("relation", ["kin", "copies", "strangers"])
def test_the_relation_is_reported(
    relation: str, hubmerge: CommandLine, pairs: dict[str, Any]
) -> None:
    said = advised(hubmerge, pairs[relation])
    assert said["relation"] == relation
    assert -1 <= said["as_given"] <= said["aligned"] + 0.05 <= 1.06
    assert {space["space"] for space in said["spaces"]} == {"layers.0.y", "layers.1.y"}


@pytest.mark.parametrize(
    "relation",
    ["strangers", *(pytest.param(name, marks=pytest.mark.slow) for name in ("kin", "copies"))],
)
def test_the_advice_is_the_best(
    relation: str, hubmerge: CommandLine, pairs: dict[str, Any], tmp_path: Path
) -> None:
    pair = pairs[relation]

    def accuracy(match: str, fuse: str) -> float:
        out = tmp_path / f"{match}-{fuse}"
        hubmerge("merge", *pair, *DATA, "--match", match, "--fuse", fuse, "-o", out).succeeded()
        report = json.loads((out / "report.json").read_text())
        return report["contenders"]["merge"]["accuracy"]

    said = advised(hubmerge, pair)
    found = {way: accuracy(*way) for way in WAYS}
    assert found[said["match"], said["fuse"]] >= max(found.values()) - NEAR


def test_it_reads_as_advice(hubmerge: CommandLine, parents: dict[str, dict]) -> None:
    done = hubmerge("diagnose", "me/mlp-a", "me/mlp-b").succeeded()
    assert "Trained apart (cosine of their weights " in done.out
    assert "hubmerge merge me/mlp-a me/mlp-b --match synthetic --fuse average" in done.out


def test_of_three_models_nothing_is_said(hubmerge: CommandLine, parents: dict[str, dict]) -> None:
    hubmerge("diagnose", *["me/mlp-a"] * 3).refused(RecipeError, "two models")
