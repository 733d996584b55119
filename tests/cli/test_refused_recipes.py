"""The table of bad input: what was asked for makes no sense, or not with what is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from hubmerge.errors import ConflictError, NotFoundError, RecipeError
from tests.helpers.command_line import CommandLine
from tests.helpers.refusals import Arguments, Kit, Row, check, table

MODELS = ["me/mlp-a", "me/mlp-b"]


def given(*options: Any) -> Arguments:
    """The parents and these options."""
    return lambda kit: [*MODELS, *options]


def of_three(*options: Any) -> Arguments:
    """Three models and these options."""
    return lambda kit: [*MODELS, MODELS[0], *options]


@table(
    Row("matcher", RecipeError, ("'weigths'", "weights"), given("--match", "weigths")),
    Row("fusion", RecipeError, ("'avrage'", "average"), given("--fuse", "avrage"), "merge"),
    Row("repair", RecipeError, ("'repare'", "batchnorm, repair"), given("--repair", "repare")),
    Row(
        "labels",
        RecipeError,
        ("--align-labels guess", "'index'"),
        given("--align-labels", "guess"),
    ),
    Row(
        "lambda", RecipeError, ("lambda", "less than or equal to 1"), given("--lambda", 2), "merge"
    ),
    Row(
        "multi_match",
        RecipeError,
        ("'cycle'", "cycle-consistent"),
        given("--multi-match", "cycle"),
    ),
    Row(
        "weights and lambda",
        RecipeError,
        ("--lambda 0.3 and --weights say the same",),
        given("--weights", ".5,.5", "--lambda", 0.3),
        "merge",
    ),
    Row(
        "steps of what does not learn",
        RecipeError,
        ("--learning-steps is for a matcher that learns", "--match weights"),
        given("--match", "weights", "--learning-steps", 10),
    ),
    Row("one model", RecipeError, ("two models are needed",), lambda kit: MODELS[:1]),
    Row(
        "lambda of three",
        RecipeError,
        ("for 3, give --weights",),
        of_three("--lambda", 0.3),
        "merge",
    ),
    Row(
        "chosen lambda of three",
        RecipeError,
        ("for 3, give --weights",),
        of_three("--dataset", "me/digits", "--lambda", "auto"),
        "merge",
    ),
    Row("no numbers", RecipeError, ("--weights half",), of_three("--weights", "half"), "merge"),
    Row(
        "two weights of three",
        RecipeError,
        ("2 weights for 3 models",),
        of_three("--weights", ".5,.5"),
        "merge",
    ),
    Row(
        "weights of another sum",
        RecipeError,
        ("add up to 1.5, not to 1",),
        of_three("--weights", ".5,.5,.5"),
        "merge",
    ),
    Row(
        "a negative weight",
        RecipeError,
        ("--weights -0.5 (item 2)",),
        of_three("--weights=.5,-.5,1"),
        "merge",
    ),
    Row(
        "means have no activations",
        RecipeError,
        ("--multi-match merge-many", "--match activations", "--match weights"),
        of_three("--dataset", "me/digits", "--multi-match", "merge-many"),
    ),
    Row(
        "learning for all at once",
        RecipeError,
        ("--multi-match cycle-consistent cannot learn", "--match learned", "--multi-match star"),
        of_three(
            "--dataset", "me/digits", "--multi-match", "cycle-consistent", "--match", "learned"
        ),
    ),
    Row("seed", RecipeError, ("--seed -1", "or equal to 0"), given("--seed", -1), "merge"),
    Row("samples", RecipeError, ("--samples many", "all"), given("--samples", "many")),
    Row(
        "no samples",
        RecipeError,
        ("samples",),
        given("--dataset", "me/digits", "--samples", "0"),
    ),
    Row(
        "negative calibration samples",
        RecipeError,
        ("--calibration-samples -1",),
        given("--dataset", "me/digits", "--calibration-samples", -1),
    ),
    Row(
        "chosen lambda without data", RecipeError, ("dataset",), given("--lambda", "auto"), "merge"
    ),
    Row(
        "activations without data",
        RecipeError,
        ("--match activations", "--dataset", "--match weights"),
        given("--match", "activations"),
    ),
    Row(
        "repair without data",
        RecipeError,
        ("--repair repair", "--dataset"),
        given("--repair", "repair"),
    ),
    Row("split without data", RecipeError, ("split", "--dataset"), given("--split", "test")),
    Row(
        "matching twice",
        RecipeError,
        ("alignment",),
        given("--match", "weights", "--alignment", "x"),
        "merge",
    ),
    Row(
        "no alignment",
        NotFoundError,
        ("no alignment", "hubmerge match"),
        given("--alignment", "nothing"),
        "merge",
    ),
)
def test_options_that_make_no_sense(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


def recipe(content: str | dict[str, Any]) -> Arguments:
    """A recipe file of this content."""

    def make(kit: Kit) -> list[Any]:
        path = kit.tmp / "recipe.yaml"
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return ["--recipe", path]

    return make


def moved_on(kit: Kit) -> list[Any]:
    """A recipe for a folder whose weights have changed since."""
    folder = kit.model("b", "mlp")
    fields = {"models": ["me/mlp-a", str(folder)], "shas": {"model_b": "local-" + "0" * 40}}
    return recipe(fields)(kit)


@table(
    Row(
        "missing",
        NotFoundError,
        ("no recipe", "nothing.yaml"),
        lambda kit: ["--recipe", "nothing.yaml"],
    ),
    Row("no YAML", RecipeError, ("is not YAML",), recipe("models: [a, b")),
    Row("a list", RecipeError, ("is no recipe",), recipe("- a\n- b\n")),
    Row("one model", RecipeError, ("models",), recipe({"models": ["me/mlp-a"]})),
    Row("no models", RecipeError, ("models", "required"), recipe({"match": "none"})),
    Row("unknown field", RecipeError, ("lamda",), recipe({"models": MODELS, "lamda": 1})),
    Row("wrong type", RecipeError, ("seed",), recipe({"models": MODELS, "seed": "certainly"})),
    Row(
        "code",
        RecipeError,
        ("is not YAML",),
        recipe("models: !!python/object/apply:os.system [ls]"),
    ),
    Row("changed since", ConflictError, ("not what the recipe was written for",), moved_on),
    Row(
        "another's folder",
        RecipeError,
        ("do not lie in its own folder", "model_b: /etc", "--map model_b=/etc"),
        recipe({"models": ["me/mlp-a", "/etc"]}),
    ),
    Row(
        "models as well",
        RecipeError,
        ("--recipe", "leave one of the two out"),
        lambda kit: [*MODELS, *recipe({"models": MODELS})(kit)],
    ),
)
def test_recipes_that_cannot_be_carried_out(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


Spoil = Callable[[dict[str, torch.Tensor]], object]


@pytest.mark.parametrize(
    ("spoil", "quoted"),
    [
        pytest.param(
            lambda t: t["layers.0.y"].fill_(3), "no permutation of layers.0.y", id="twice"
        ),
        pytest.param(lambda t: t.pop("layers.0.y"), "layers.0.y", id="missing space"),
        pytest.param(
            lambda t: t.update({"layers.0.y": t["layers.0.y"].float()}), "float32", id="floats"
        ),
    ],
)
def test_alignments_that_are_none(
    hubmerge: CommandLine, kit: Kit, spoil: Spoil, quoted: str
) -> None:
    found = kit.tmp / "found"
    hubmerge("match", *MODELS, "-o", found).succeeded()
    tensors = load_file(found / "alignment.safetensors")
    spoil(tensors)
    text = (found / "alignment.json").read_text()
    save_file(tensors, found / "alignment.safetensors", {"hubmerge": text})
    hubmerge("merge", *MODELS, "--alignment", found, "-o", kit.out).refused(RecipeError, quoted)
    assert not list(kit.out.parent.iterdir())


def test_an_alignment_of_other_models(hubmerge: CommandLine, kit: Kit) -> None:
    found = kit.tmp / "found"
    hubmerge("match", *MODELS, "-o", found).succeeded()
    done = hubmerge("merge", "me/vit-a", "me/vit-b", "--alignment", found, "-o", kit.out)
    done.refused(RecipeError, "of other models")
    assert not list(kit.out.parent.iterdir())


def test_matching_nothing(hubmerge: CommandLine, kit: Kit) -> None:
    hubmerge("match", *MODELS, "--match", "none").refused(RecipeError, "--match none")


@pytest.mark.parametrize("command", ["report", "push"])
def test_folders_that_hold_no_merge(
    hubmerge: CommandLine, kit: Kit, parents: dict[str, dict[str, Path]], command: str
) -> None:
    target = [kit.repo] if command == "push" else []
    hubmerge(command, parents["mlp"]["a"], *target).refused(NotFoundError, "report")
    hubmerge(command, "./nothing", *target).refused(NotFoundError, "nothing")
    assert not kit.hub.api().repo_exists(kit.repo)


def test_a_folder_whose_weights_were_changed_is_not_pushed(hubmerge: CommandLine, kit: Kit) -> None:
    hubmerge("merge", *MODELS, "-o", kit.out).succeeded()
    tensors = load_file(kit.out / "model.safetensors")
    tensors["classifier.bias"] += 1
    save_file(tensors, kit.out / "model.safetensors", {"format": "pt"})
    hubmerge("push", kit.out, kit.repo).refused(ConflictError, "model.safetensors", "--recipe")
    assert not kit.hub.api().repo_exists(kit.repo)


def test_a_model_that_is_no_merge_has_no_report(hubmerge: CommandLine, kit: Kit) -> None:
    hubmerge("report", "me/mlp-a").refused(NotFoundError, "there is no folder", "me/mlp-a")


def test_an_error_as_json(hubmerge: CommandLine, kit: Kit) -> None:
    done = hubmerge("merge", "me/mlp-a", "me/nothing", "--json").refused(NotFoundError)
    error = done.json["error"]
    assert error["type"] == "NotFoundError"
    assert error["exit_code"] == NotFoundError.exit_code == done.code
    assert "me/nothing" in error["what"]
