"""Parents that tell other classes apart, by Hub id: matched, joined, published, checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoConfig

from hubmerge.demo.digits import NAMES
from hubmerge.errors import RecipeError
from hubmerge.localhub import EmbeddedHub
from tests.helpers import label_subsets as run
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

FEW = ("--dataset", "me/ten", "--samples", 100, "--calibration-samples", 100)


@pytest.fixture(scope="module")
def split_validation(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """On the Hub: a model of the first five digits, one of the others, and all images."""
    place = tmp_path_factory.mktemp("halves")
    zoo.push(hub, "me/ten", zoo.write_data(place / "ten", zoo.rows()), "dataset")
    for seed, (name, names) in enumerate((("low", run.LOW), ("high", run.HIGH))):
        model = zoo.write_model(place / name, run.taught(names, seed), "mlp")
        zoo.push(hub, f"me/{name}", model)
    return ["me/low", "me/high"]


def test_a_joined_merge_is_published_and_holds(
    hub: EmbeddedHub, hubmerge: CommandLine, split_validation: list[str], tmp_path: Path
) -> None:
    where = ("--push", "me/joined", "-o", tmp_path / "joined", "--json")
    done = hubmerge(
        "merge", *split_validation, "--heads", "join", "--fuse", "least-squares", *FEW, *where
    )
    said = done.succeeded().json
    assert said["heads"]["known_by"] == [5, 5]
    assert said["merged"]["labels"] == NAMES
    accuracy = {name: each["accuracy"] for name, each in said["contenders"].items()}
    assert accuracy["merge"] > max(accuracy["parent_a"], accuracy["parent_b"]) + 0.2
    assert "heads: join" in (tmp_path / "joined" / "hubmerge.yaml").read_text()
    assert hubmerge("verify", "me/joined", "--json").succeeded().json["outcome"] == "identical"


def test_what_was_matched_apart_is_merged_apart(
    hubmerge: CommandLine, split_validation: list[str], tmp_path: Path
) -> None:
    heads = ("--heads", "concat")
    hubmerge(
        "match", *split_validation, *heads, "--match", "weights", "-o", tmp_path / "found"
    ).succeeded()
    given = ("--alignment", tmp_path / "found", "-o", tmp_path / "concat")
    reported = hubmerge("merge", *split_validation, *heads, *given).succeeded().out
    assert "Nothing was measured" in reported
    assert AutoConfig.from_pretrained(tmp_path / "concat").num_labels == 10


def test_there_are_three_kinds(hubmerge: CommandLine, split_validation: list[str]) -> None:
    hubmerge("merge", *split_validation, "--heads", "both").refused(RecipeError, "heads", "'join'")
