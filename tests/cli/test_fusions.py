"""Fusions as a user asks for them: by name, with options, a base, checkpoints of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from huggingface_hub import metadata_load
from safetensors.torch import load_file

from hubmerge.errors import LabelError, MismatchError, NotFoundError, RecipeError
from hubmerge.fuse import fusions
from hubmerge.localhub import EmbeddedHub
from hubmerge.matching import learners, matchers
from hubmerge.matching.multi import multi_matchers
from hubmerge.repair import repairs
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine

MODELS = ("me/mlp-a", "me/mlp-b")
FEW = ("--dataset", "me/digits", "--samples", "60", "--calibration-samples", "60")


@pytest.fixture(scope="module")
def near(
    parents: dict[str, dict], hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """A repository with a model near me/mlp-a on its main branch, and another on `later`."""
    place, repo = tmp_path_factory.mktemp("near"), "me/mlp-run"
    for name, seed in (("main", 1), ("later", 2)):
        model = zoo.mlp(zoo.labelled())
        state = load_file(parents["mlp"]["a"] / "model.safetensors")
        noise = torch.Generator().manual_seed(seed)
        moved = {t: v + 0.02 * torch.randn(v.shape, generator=noise) for t, v in state.items()}
        model.load_state_dict(moved)
        folder = zoo.write_model(place / name, model, "mlp")
        if name == "main":
            zoo.push(hub, repo, folder)
        else:
            hub.api().create_branch(repo, branch=name)
            hub.api().upload_folder(repo_id=repo, folder_path=folder, revision=name)
    return repo


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_methods_are_listed_with_marks_options_and_sources(hubmerge: CommandLine) -> None:
    reported = hubmerge("methods", "--json").succeeded().json
    kinds = {
        "match": {*matchers(), *learners()},
        "multi-match": set(multi_matchers()),
        "fuse": set(fusions()),
        "repair": set(repairs()),
    }
    for kind, names in kinds.items():
        assert {each["name"] for each in reported if each["kind"] == kind} == names
    by_name = {each["name"]: each for each in reported if each["kind"] == "fuse"}
    assert by_name["ties"]["needs_base"]
    assert [by_name[n]["needs"] for n in ("ties", "fisher", "twa")] == [
        "data-free",
        "label-free",
        "labelled",
    ]
    (density,) = (each for each in by_name["ties"]["options"] if each["name"] == "density")
    assert density["default"] == 0.2
    text = hubmerge("methods", "fuse").succeeded().out
    assert all(name in text and fusion.source in text for name, fusion in fusions().items())
    assert "--match" not in text
    hubmerge("methods", "fusion").refused(RecipeError, "match, multi-match, fuse, repair")


def test_a_merge_on_a_base_is_planned_published_and_verified(
    hubmerge: CommandLine, near: str, repo: str, out: Path
) -> None:
    given = (near, f"{near}@later", "--base", MODELS[0], "--fuse", "ties")
    options = ("--fuse-option", "density=0.5", "--fuse-option", "scale=0.8")
    planned = hubmerge("plan", *given, *options).succeeded().out
    assert [line.split()[:2] for line in planned.splitlines() if line.startswith("  base ")] == [
        ["base", MODELS[0]]
    ]
    hubmerge("merge", *given, *options, *FEW, "--push", repo, "-o", out).succeeded()
    recipe = yaml.safe_load((out / "hubmerge.yaml").read_text())
    assert recipe["fuse_options"] == {"density": 0.5, "scale": 0.8}
    assert recipe["base"].startswith(f"{MODELS[0]}@")
    assert MODELS[0] in metadata_load(out / "README.md")["base_model"]
    assert json.loads((out / "report.json").read_text())["base"]["id"] == MODELS[0]
    hubmerge("verify", repo, "--weights-only").succeeded()
    hubmerge("verify", repo).succeeded()


def test_revisions_of_one_repository_are_checkpoints_of_a_run(
    hubmerge: CommandLine, near: str, out: Path
) -> None:
    given = (near, f"{near}@later", "--fuse", "ema", "--fuse-option", "decay=0.25")
    reported = hubmerge("merge", *given, "-o", out, "--json").succeeded().json
    assert reported["method"]["match"] == "none"
    assert reported["method"]["ingredients"] == [0.25, 0.75]
    assert [model["id"] for model in reported["models"]] == [near, near]
    assert len({model["sha"] for model in reported["models"]}) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--fuse", "lawa", "--fuse-option", "first=2"), "options: last"),
        (("--fuse", "lawa", "--fuse-option", "last"), "NAME=VALUE"),
        (("--fuse", "lawa", "--fuse-option", "last=2", "--fuse-option", "last=3"), "twice"),
        (("--fuse", "lawa", "--fuse-option", "last=some"), "a whole number"),
        (("--fuse", "dare"), "--base ID"),
        (("--only", "classifer"), "classifier"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_written(
    hubmerge: CommandLine, parents: dict[str, dict], out: Path, options: tuple, said: str
) -> None:
    hubmerge("merge", *MODELS, *options, "-o", out).refused(RecipeError, said)
    assert not out.exists()


def test_a_base_is_checked_as_the_models_are(
    hubmerge: CommandLine, parents: dict[str, dict], tmp_path: Path, out: Path
) -> None:
    fuse = ("--fuse", "ties", "-o", out, "--base")
    hubmerge("merge", *MODELS, *fuse, "me/nobody").refused(NotFoundError, "me/nobody")
    hubmerge("merge", *MODELS, *fuse, "me/vit-a").refused(MismatchError)
    other = zoo.write_model(
        tmp_path / "other", zoo.mlp(zoo.labelled([f"n{k}" for k in range(10)])), "mlp"
    )
    hubmerge("merge", *MODELS, *fuse, other).refused(LabelError, "n0")
    assert not out.exists()
