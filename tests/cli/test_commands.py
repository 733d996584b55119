"""The other commands, data sets of features, and the API's five lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

import hubmerge as package
from hubmerge.errors import FamilyError, exit_codes
from hubmerge.localhub import EmbeddedHub
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

COMMANDS = ("merge", "match", "plan", "report", "push", "verify", "specs", "hub", "demo")


def test_the_real_program_starts(hub: EmbeddedHub, tmp_path: Path) -> None:
    """As a shell starts it, not from the warm process."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hubmerge.cli", *arguments],
            env=hub.environment(home=tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )

    assert run("--version").stdout == f"hubmerge {package.__version__}\n"
    refused = run("plan", "me/nothing", "me/nothing")
    assert refused.returncode == exit_codes()["NotFoundError"][0]
    assert refused.stderr.startswith("NotFoundError: there is no model me/nothing")


def test_help_names_every_command(hubmerge: CommandLine) -> None:
    reported = hubmerge("--help").succeeded().out
    assert all(command in reported for command in COMMANDS)
    for command in COMMANDS:
        assert hubmerge(command, "--help").succeeded().out


def test_specs_are_listed_shown_and_unknown_ones_refused(hubmerge: CommandLine) -> None:
    families = set(zoo.MODEL_TYPES.values())
    assert families <= set(hubmerge("specs", "list", "--json").succeeded().json)
    listed = hubmerge("specs", "list").succeeded().out
    for family in families:
        assert family in listed
        shown = hubmerge("specs", "show", family).succeeded().out
        specs = Path(package.__file__).parents[1] / "model_specs"
        assert shown.rstrip() == (specs / f"{family}.toml").read_text().rstrip()
    hubmerge("specs", "show", "vti").refused(FamilyError, "'vti'", "vit")


@pytest.mark.parametrize("family", zoo.FAMILIES)
def test_specs_are_proved_on_a_model(
    hubmerge: CommandLine, parents: dict[str, dict], family: str, tmp_path: Path
) -> None:
    proof = hubmerge("specs", "check", f"me/{family}-a", "--json").succeeded().json
    assert proof["family"] == zoo.MODEL_TYPES[family]
    assert proof["deviation"] < proof["tolerance"]
    cache = {"HF_HUB_CACHE": str(tmp_path)}
    reported = hubmerge("specs", "check", f"me/{family}-a", "--config-only", env=cache).succeeded()
    for space, size in proof["free_spaces"].items():
        assert space in reported.out
        assert str(size) in reported.out
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_config_alone_is_enough_to_check(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    config = (parents["vit"]["a"] / "config.json").read_text()
    (tmp_path / "config.json").write_text(config)
    hubmerge("specs", "check", tmp_path, "--config-only").succeeded()


def test_plan_announces_what_merge_does(
    hubmerge: CommandLine, parents: dict[str, dict], hub: EmbeddedHub, tmp_path: Path, repo: str
) -> None:
    arguments = ["me/resnet-a", "me/resnet-b", "--dataset", "me/digits", "--push", repo]
    cache = {"HF_HUB_CACHE": str(tmp_path / "cache")}
    plan = hubmerge("plan", *arguments, "--json", env=cache, cwd=tmp_path).succeeded().json
    assert [model["id"] for model in plan["models"]] == arguments[:2]
    assert [model["sha"] for model in plan["models"]] == [
        hub.api().model_info(repo).sha for repo in arguments[:2]
    ]
    assert plan["both"]["family"] == "resnet"
    assert plan["data"]["card"]["splits"] == {"train": zoo.TRAIN_ROWS, "test": zoo.TEST_ROWS}
    assert plan["licence"]["license"] == zoo.LICENCE
    assert plan["target"]["repo"] == repo
    assert Path(plan["target"]["out"]).name == "resnet-a-resnet-b-merged"
    assert plan["needs"]["download"] > 2 * plan["models"][0]["weight_bytes"]
    reported = hubmerge("plan", *arguments, env=cache, cwd=tmp_path).succeeded().out
    for word in ("resnet-a", zoo.LICENCE, "will be created", "free spaces", repo):
        assert word in reported
    assert not list(tmp_path.rglob("*.safetensors"))
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert not hub.api().repo_exists(repo)


def test_heads_on_features(hubmerge: CommandLine, tmp_path: Path, hub: EmbeddedHub) -> None:
    splits = zoo.feature_rows()
    zoo.push(hub, "me/embeddings", zoo.write_data(tmp_path / "data", splits), "dataset")
    heads = zoo.train_heads(splits, tmp_path)
    for letter, folder in heads.items():
        zoo.push(hub, f"me/head-{letter}", folder)
    out = tmp_path / "out"
    arguments = ["me/head-a", "me/head-b", "--dataset", "me/embeddings", "-o", out, "--json"]
    report = hubmerge("merge", *arguments).succeeded().json
    assert report["data"]["columns"] == {"input": "embedding", "label": "label"}
    assert report["data"]["unit"] == "rows"
    assert report["method"]["repair"] == "batchnorm"
    assert report["contenders"]["parent_a"]["accuracy"] > 0.8
    assert report["contenders"]["merge"]["accuracy"] > report["contenders"]["naive"]["accuracy"]
    assert report["merged"]["auto_processor"] is None
    card = (out / "README.md").read_text()
    assert "AutoImageProcessor" not in card
    assert "import hubmerge" in card
    assert "240 rows" in card


FIVE_LINES = """
import hubmerge as hm
a, b = hm.load("me/vit-a"), hm.load("me/vit-b")
found = hm.match(a, b, by="weights")
merged = hm.merge(a, found.apply(b), t=0.5)
print(hm.report(merged, found))
merged.save_pretrained("by-hand")
few = {"dataset": "me/digits", "samples": 50, "calibration_samples": 50, "effort": "quick"}
result = hm.run(hm.Recipe(models=("me/vit-a", "me/vit-b"), match="weights", **few))
print(result.folder, result.report.verdict, sep="|")
"""


def test_the_five_lines_do_what_the_command_does(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path
) -> None:
    models, command = ("me/vit-a", "me/vit-b"), tmp_path / "command"
    hubmerge("merge", *models, "--match", "weights", "-o", command).succeeded()
    done = hubmerge(code=FIVE_LINES, cwd=tmp_path).succeeded()
    assert "0.5 x me/vit-a + 0.5 x me/vit-b" in done.out
    assert "resid" in done.out
    folder = tmp_path / "vit-a-vit-b-merged"
    last = done.out.strip().splitlines()[-1]
    assert last == f"{folder.name}|{json.loads((folder / 'report.json').read_text())['verdict']}"
    expected = (command / "model.safetensors").read_bytes()
    assert (folder / "model.safetensors").read_bytes() == expected
    assert (tmp_path / "by-hand" / "model.safetensors").read_bytes() == expected
    assert load_file(folder / "model.safetensors")
