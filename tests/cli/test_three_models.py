"""The main job with three models: what is added to that of two, and that all of it holds."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import metadata_load
from safetensors.torch import load_file

from hubmerge.errors import RecipeError
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

PARENTS = ("parent_a", "parent_b", "parent_c")
DATA = ("--dataset", "me/digits", "--samples", 100, "--calibration-samples", 100)


@pytest.fixture(scope="module")
def three(parents: dict[str, dict], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three trained MLPs; the third orders its classes differently."""
    place = tmp_path_factory.mktemp("third")
    third = zoo.trained("mlp", 3)
    folder = zoo.write_model(place / "c", third, "mlp")
    return [*parents["mlp"].values(), zoo.shuffled_labels(folder, place / "shuffled", "mlp")]


@pytest.fixture(scope="module")
def merged(
    hubmerge: CommandLine, three: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("merged") / "of-three"
    hubmerge("merge", *three, *DATA, "-o", folder).succeeded()
    return folder


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_the_report_is_that_of_two_with_a_third_parent(merged: Path) -> None:
    said = report(merged)
    assert len(said["models"]) == 3
    assert set(said["contenders"]) == {*PARENTS, "naive", "merge", "ensemble"}
    assert [each["other"] for each in said["comparisons"]] == [*PARENTS, "naive", "ensemble"]
    assert said["method"]["multi_match"] == "cycle-consistent"
    assert said["method"]["weights"] == pytest.approx([1 / 3] * 3)
    assert said["method"]["lam"] is None
    accuracy = {name: each["accuracy"] for name, each in said["contenders"].items()}
    assert (
        min(accuracy[name] for name in PARENTS) > 0.8
    )  # the third's classes were brought in order
    assert accuracy["merge"] > accuracy["naive"] + 0.05
    assert said["barrier"]["matched"] < said["barrier"]["naive"]


def test_the_curve_leads_from_the_first_parent_to_the_merge(merged: Path) -> None:
    said = report(merged)
    curve = said["barrier"]["detail"]["matched"]["points"]
    losses = {name: each["loss"] for name, each in said["contenders"].items()}
    assert curve[0]["loss"] == losses["parent_a"]
    assert curve[-1]["lam"] == 1
    assert curve[-1]["loss"] == pytest.approx(losses["merge"], rel=1e-5)
    own = sum(losses[name] for name in PARENTS) / 3
    assert curve[-1]["loss"] - curve[-1]["excess"] == pytest.approx(own)


def test_the_merge_is_the_mean_of_the_parents_as_they_were_aligned(
    merged: Path, three: list[Path], hubmerge: CommandLine, out: Path
) -> None:
    """Weights of 1 for one parent give that parent, aligned; their mean is the merge."""
    total: dict[str, torch.Tensor] = {}
    for place, share in (("a", "1,0,0"), ("b", "0,1,0"), ("c", "0,0,1")):
        folder = out.with_name(place)
        given = ("--alignment", merged / "alignment", "--weights", share)
        hubmerge("merge", *three, *given, "-o", folder).succeeded()
        for name, value in load_file(folder / "model.safetensors").items():
            total[name] = total.get(name, torch.zeros(())) + value / 3
    for name, value in load_file(merged / "model.safetensors").items():
        torch.testing.assert_close(value, total[name])


def test_the_card_names_all_parents(merged: Path, three: list[Path]) -> None:
    text = (merged / "README.md").read_text()
    assert "Parent C" in text
    assert "Ensemble of all parents" in text
    assert metadata_load(merged / "README.md")["model-index"][0]["name"].count(" + ") == 2
    assert (merged / "barrier.png").is_file()


def test_the_recipe_gives_the_same_bytes(merged: Path, hubmerge: CommandLine, out: Path) -> None:
    content = yaml.safe_load((merged / "hubmerge.yaml").read_text())
    assert len(content["models"]) == 3
    assert all("@local-" in ref and "/" not in ref for ref in content["models"])
    hubmerge("merge", "--recipe", merged / "hubmerge.yaml", "-o", out).succeeded()
    assert weights(out) == weights(merged)
    again, first = report(out), report(merged)
    for said in (again, first):
        del said["run"], said["data"]["revision"]  # the recipe asks for the commit itself
    assert again == first


def test_an_alignment_of_three_stands_in_for_matching(
    merged: Path, three: list[Path], hubmerge: CommandLine, out: Path
) -> None:
    found = out.with_name("found")
    done = hubmerge("match", *three, *DATA[:2], *DATA[4:], "-o", found).succeeded()
    assert [line[:2] for line in done.out.splitlines() if ", matched by " in line] == ["B:", "C:"]
    assert {path.name for path in found.iterdir()} == {"parent_b", "parent_c"}
    hubmerge("merge", *three, *DATA, "--alignment", found, "-o", out).succeeded()
    assert weights(out) == weights(merged)
    recipe = out / "hubmerge.yaml"
    hubmerge("merge", "--recipe", recipe, "-o", out.with_name("again")).succeeded()
    assert weights(out.with_name("again")) == weights(merged)
    four = ("merge", *three, three[0], "--alignment", found, "-o", out.with_name("four"))
    hubmerge(*four).refused(RecipeError, "holds no alignment of 4 models", "parent_b, parent_c")


def test_json_of_a_match_of_three_holds_both(hubmerge: CommandLine, three: list[Path]) -> None:
    found = hubmerge("match", *three, "--json").succeeded().json
    assert list(found) == ["model_b", "model_c"]
    assert all(each["method"] == "synthetic" for each in found.values())


@pytest.mark.parametrize("way", ["star", "merge-many"])
def test_every_way_together_merges(
    way: str, three: list[Path], hubmerge: CommandLine, out: Path
) -> None:
    given = ("--match", "weights", "--multi-match", way, "--weights", ".5,.3,.2")
    hubmerge("merge", *three, *DATA, *given, "-o", out).succeeded()
    said = report(out)
    assert (said["method"]["multi_match"], said["method"]["weights"]) == (way, [0.5, 0.3, 0.2])
    assert said["contenders"]["merge"]["loss"] < said["contenders"]["naive"]["loss"]
    assert yaml.safe_load((out / "hubmerge.yaml").read_text())["multi_match"] == way


def test_a_resnet_of_three_is_refitted_and_repaired(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    a, b = parents["resnet"].values()
    hubmerge("merge", a, b, a, *DATA, "--fuse", "least-squares", "-o", out).succeeded()
    said = report(out)
    assert said["method"]["fuse"] == "least-squares"
    assert said["contenders"]["merge"]["loss"] < said["contenders"]["naive"]["loss"]


def test_a_rotated_vit_of_three_merges(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path
) -> None:
    a, b = parents["vit"].values()
    hubmerge("merge", a, b, b, *DATA, "--match", "activations", "-o", out).succeeded()
    kinds = {space["kind"] for space in report(out)["method"]["spaces"]}
    assert {"permute", "rotate"} <= kinds


def test_a_plan_of_three_lists_them(hubmerge: CommandLine, three: list[Path], out: Path) -> None:
    text = hubmerge("plan", *three, *DATA, "-o", out).succeeded().out
    assert text.count("local-") >= 3
    assert "from parent A to the mixture of all parents" in text
    assert "of C's rows move" in text


def test_the_merge_can_be_verified(merged: Path, hubmerge: CommandLine) -> None:
    for options in ((), ("--weights-only",)):
        done = hubmerge("verify", merged, *options, "--json").succeeded()
        assert done.json["outcome"] == "identical"
        alike = [each["what"] for each in done.json["checks"] if each["part"] == "weights"]
        assert "model.safetensors: made again" in alike
