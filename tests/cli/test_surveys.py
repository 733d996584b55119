"""Surveys by command: paths, planes, simplexes and complexes of trained models."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from hubmerge.errors import RecipeError, TargetError
from hubmerge.matching.alignment_files import FOLDER
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

DATA = ("--dataset", "me/digits", "--samples", 100, "--calibration-samples", 100)
TWO = ("me/mlp-a", "me/mlp-b")
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def three(parents: dict[str, dict], tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    third = zoo.trained("mlp", 3)
    folder = zoo.write_model(tmp_path_factory.mktemp("third") / "c", third, "mlp")
    return [*TWO, folder]


def found(folder: Path, kind: str) -> dict[str, Any]:
    """What was found; everything beside it can be read, looked at and made again."""
    wanted = {f"{kind}.json", f"{kind}.png", "README.md", "hubmerge.yaml"}
    assert wanted <= {path.name for path in folder.iterdir()}
    assert yaml.safe_load((folder / "hubmerge.yaml").read_text())["models"]
    said = json.loads((folder / f"{kind}.json").read_text())
    card = (folder / "README.md").read_text()
    assert f"]({kind}.png)" in card
    assert all(f"<code>{model}</code>" in html.unescape(card) for model in said["models"])
    assert said["sentence"] in html.unescape(card)
    assert (folder / f"{kind}.png").read_bytes().startswith(PNG)
    return said


def again(hubmerge: CommandLine, folder: Path) -> Path:
    """The folder that the command in its README writes."""
    (command,) = re.findall(r"^\$ hubmerge (.*)$", (folder / "README.md").read_text(), re.M)
    hubmerge(*command.split(), cwd=folder).succeeded()
    return folder / "again"


def test_a_path_is_bent_and_measured(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = hubmerge(
        "path",
        *TWO,
        *DATA,
        "--curve",
        "polygon",
        "--bends",
        2,
        "--steps",
        60,
        "--path-points",
        2,
        "-o",
        out,
    ).succeeded()
    said = found(out, "path")
    assert said["sentence"] in done.out
    assert said["settled"] in ("no barrier", "a barrier", "cannot tell")
    assert said["rows"] == {"calibration": 100, "validation": said["rows"]["validation"]} | {
        "evaluation": 100
    }
    for name in ("naive", "straight", "found"):
        lams = [point["lam"] for point in said[name]["points"]]
        assert lams == sorted(lams)
        assert 11 <= len(lams) <= 13
    assert said["straight"]["barrier"]["value"] < said["naive"]["barrier"]["value"]
    assert said["length"] > 0.999
    bends = load_file(out / "bends.safetensors")
    assert {name.partition(".")[0] for name in bends} == {"1", "2"}
    remade = again(hubmerge, out)
    for name in ("path.json", "bends.safetensors", "path.png", "README.md"):
        assert (remade / name).read_bytes() == (out / name).read_bytes()


def test_the_plane_of_two_models_is_mapped(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    hubmerge("plane", *TWO, *DATA, "--grid", 5, "-o", out).succeeded()
    said = found(out, "plane")
    assert len(said["points"]) == 25
    assert said["corners"]["A"] == [0, 0]
    assert said["corners"]["B as given"][1] == 0
    assert said["corners"]["B aligned"][1] > 0
    assert set(said["middles"]) == {"B as given", "B aligned"}
    losses = [said["middles"][name]["loss"] for name in ("B as given", "B aligned")]
    assert losses[0] > losses[1]
    assert all(f"{loss:.3f} nats with" in said["sentence"] for loss in losses[:1])
    assert load_file(out / "alignment.safetensors")


def test_a_simplex_is_measured_in_every_way_of_lining_up(
    hubmerge: CommandLine, three: list[Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = hubmerge("simplex", *three, *DATA, "--points", 3, "-o", out).succeeded()
    said = found(out, "simplex")
    assert said["sentence"] in done.out
    ways = {each["multi_match"]: each for each in said["simplexes"]}
    assert set(ways) == {"cycle-consistent", "cycle-consistent, refined", "star"}
    for each in ways.values():
        kinds = [place["kind"] for place in each["places"]]
        assert [kinds.count(k) for k in ("vertex", "edge", "face", "inside")] == [3, 3, 1, 3]
        assert all(sum(place["shares"]) == pytest.approx(1) for place in each["places"])
        inner = [place["excess"] for place in each["places"] if place["kind"] != "vertex"]
        assert each["barrier"]["value"] == pytest.approx(max(inner))
        assert each["barrier"]["low"] <= each["barrier"]["value"] <= each["barrier"]["high"]
    assert "multi_match" not in yaml.safe_load((out / "hubmerge.yaml").read_text())
    losses = {tuple(place["loss"] for place in each["places"][:3]) for each in ways.values()}
    # What was saved aligns the models as in the simplex that was judged best.
    (middle,) = (place for place in said["simplexes"][0]["places"] if place["kind"] == "face")
    merged = tmp_path / "merged"
    hubmerge("merge", *three, *DATA, "--alignment", out / FOLDER, "-o", merged).succeeded()
    report = json.loads((merged / "report.json").read_text())
    assert report["contenders"]["merge"]["loss"] == pytest.approx(middle["loss"], rel=1e-4)
    assert len(losses) == 1  # the models themselves are the same, however they are aligned


def test_a_complex_is_found_and_drawn(
    hubmerge: CommandLine, three: list[Any], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = hubmerge("complex", *three, *DATA, "--limit", 10, "-o", out).succeeded()
    said = found(out, "complex")
    assert "ABC" in done.out
    assert [each["models"] for each in said["simplexes"]] == [[0, 1, 2]]
    assert [way["models"] for way in said["routes"]] == [[0, 1], [0, 2], [1, 2]]
    assert said["alone"] == []
    none = hubmerge("complex", *three, *DATA, "--limit", 0, "--json").succeeded()
    said = json.loads(none.out)
    assert said["limit"] == 0
    assert sorted([*said["alone"], *(k for s in said["simplexes"] for k in s["models"])]) >= [0, 1]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("path", *TWO), "--dataset"),
        (("path", *TWO, *DATA, "--curve", "spline"), "bezier"),
        (("path", *TWO, *DATA, "--curve", "line", "--bends", 2), "no bends"),
        (("path", *TWO, *DATA, "--repair", "repair"), "--repair auto"),
        (("path", *TWO, "me/mlp-a", *DATA), "one model to another"),
        (("plane", *TWO, *DATA, "--match", "none"), "span no plane"),
        (("complex", *TWO, *DATA), "three models"),
        (("path", "--recipe", "nowhere", "--match", "weights"), "--recipe was given"),
    ],
)
def test_what_cannot_be_surveyed_is_refused(
    hubmerge: CommandLine, parents: dict[str, dict], words: tuple[Any, ...], wanted: str
) -> None:
    hubmerge(*words).refused(RecipeError, wanted)


def test_nothing_is_overwritten(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    hubmerge("path", *TWO, *DATA, "-o", tmp_path / "out").refused(TargetError, "exists")
