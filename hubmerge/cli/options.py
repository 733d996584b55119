"""The options commands share, each with its help, and what they make together."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hubmerge.errors import RecipeError
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.silence import silence_libraries

if TYPE_CHECKING:
    from hubmerge.hub.destination import Destination
    from hubmerge.recipe import Recipe

AnyRecipe = Any
"""A Recipe, whose module is imported when a command runs."""

METHOD, DATA, TARGET, SHOWN = "Method", "Data", "Where to", "What is shown"


def option(
    *names: str, help: str, panel: str, metavar: str | None = None, least: int | None = None
) -> Any:
    """An option with its help. least: the smallest number it takes."""
    return typer.Option(*names, help=help, rich_help_panel=panel, metavar=metavar, min=least)


Models = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="A B",
        show_default=False,
        help="The parents, two or more: each a Hub id, id@revision or a folder. The result keeps "
        "the order of A's units and labels.",
    ),
]

MatchName = Annotated[
    str,
    option(
        "--match",
        help="activations (or activations-weights, -distance, -information, -transport), weights, "
        "descent, synthetic, learned, learned-labels, straight-through, none, or auto: the best of "
        "several on validation rows, or without data synthetic or weights.",
        panel=METHOD,
    ),
]
Symmetry = Annotated[
    str,
    option(
        "--symmetry",
        help="all a family allows, scaled (inputs of batch norms are not), unscaled (rotations, "
        "linear maps and signs, but no scales), permutations alone, or auto: scaled, or what else "
        "validation rows favour where several are tried.",
        panel=METHOD,
    ),
]
TogetherName = Annotated[
    str,
    option(
        "--together",
        help="More than two models: universe, merge-many, star (each matched to A alone), or auto: "
        "universe, or star for a matcher that learns.",
        panel=METHOD,
    ),
]
FuseName = Annotated[
    str,
    option(
        "--fuse",
        help="A fusion of `hubmerge methods`, such as average, least-squares, ties or greedy-soup, "
        "or auto: the best of what is given allows on validation rows.",
        panel=METHOD,
    ),
]
FuseOptions = Annotated[
    list[str] | None,
    option(
        "--fuse-option",
        metavar="NAME=VALUE",
        help="An option of the fusion, as density=0.2; may be given several times.",
        panel=METHOD,
    ),
]
Base = Annotated[
    str | None,
    option(
        "--base",
        help="The model all others were made from, for fusions that need one.",
        panel=METHOD,
    ),
]
Only = Annotated[
    list[str] | None,
    option(
        "--only",
        metavar="PREFIX",
        help="Merge only tensors whose names begin so; the rest stays A's. May be repeated.",
        panel=METHOD,
    ),
]
Keep = Annotated[
    list[str] | None,
    option(
        "--keep",
        metavar="PREFIX",
        help="Keep tensors whose names begin so from A. May be repeated.",
        panel=METHOD,
    ),
]
RepairName = Annotated[
    str,
    option(
        "--repair",
        help="none, batchnorm, repair, or auto: batchnorm where there is any.",
        panel=METHOD,
    ),
]
Lambda = Annotated[
    float, option("--lambda", help="Weight of parent B of two, 0 to 1.", panel=METHOD)
]
Weights = Annotated[
    str | None,
    option(
        "--weights",
        help="More than two models: the weight of each, as .5,.3,.2. Default: all alike.",
        panel=METHOD,
    ),
]
Best = Annotated[
    bool, option("--best", help="Choose lambda on validation rows instead.", panel=METHOD)
]
LearningSteps = Annotated[
    int | None,
    option(
        "--learning-steps",
        help="Steps of a matcher that learns, at most. Default: its own, 300 or 600.",
        panel=METHOD,
    ),
]
Labels = Annotated[
    str, option("--labels", help="Bring classes together by-name or by-index.", panel=METHOD)
]
HeadsName = Annotated[
    str,
    option(
        "--heads",
        help="Parents with other labels: join them in one head over all labels, or keep their "
        "outputs apart in one head. Else the same.",
        panel=METHOD,
    ),
]
Seed = Annotated[int, option("--seed", help="Decides every random choice.", panel=METHOD)]
Alignment = Annotated[
    Path | None,
    option(
        "--alignment", help="What `hubmerge match -o` saved, instead of matching.", panel=METHOD
    ),
]
RecipeFile = Annotated[
    Path | None,
    option(
        "--recipe",
        help="A hubmerge.yaml (or its folder) instead of models and options.",
        panel=METHOD,
    ),
]
TrustRemoteCode = Annotated[
    bool, option("--trust-remote-code", help="Run code the models bring along.", panel=METHOD)
]
Dataset = Annotated[
    str | None,
    option("--dataset", help="Data to match and measure on: a Hub id or folder.", panel=DATA),
]
DatasetConfig = Annotated[
    str | None, option("--dataset-config", help="Its configuration.", panel=DATA)
]
Split = Annotated[str | None, option("--split", help="Split to measure on; detected.", panel=DATA)]
CalibrationSplit = Annotated[
    str | None, option("--calibration-split", help="Split for statistics; detected.", panel=DATA)
]
ImageColumn = Annotated[
    str | None, option("--image-column", help="Column of images; detected.", panel=DATA)
]
FeatureColumn = Annotated[
    str | None, option("--feature-column", help="Column of float lists; detected.", panel=DATA)
]
LabelColumn = Annotated[
    str | None, option("--label-column", help="Column of labels; detected.", panel=DATA)
]
TextColumn = Annotated[
    str | None, option("--text-column", help="Column of texts; detected.", panel=DATA)
]
Tokens = Annotated[
    int | None,
    option(
        "--tokens",
        help="Tokens of a block of text. Default: 128, or what the model takes.",
        panel=DATA,
    ),
]
Samples = Annotated[
    str | None,
    option(
        "--samples",
        help="Rows to report on: a number, or all. Default: 1000, or what there is.",
        panel=DATA,
    ),
]
CalibrationSamples = Annotated[
    int | None,
    option(
        "--calibration-samples",
        help="Rows for activations and statistics. Default: 1000, or what there is.",
        panel=DATA,
    ),
]
Out = Annotated[
    Path | None, option("-o", "--out", help="Folder to write; must not exist.", panel=TARGET)
]
Push = Annotated[str | None, option("--push", help="Publish to this repository.", panel=TARGET)]
Private = Annotated[
    bool | None,
    option(
        "--private/--public", help="Visibility; default: what the licences ask for.", panel=TARGET
    ),
]
CreatePr = Annotated[
    bool,
    option("--create-pr", help="Open a pull request in an existing repository.", panel=TARGET),
]
Revision = Annotated[str | None, option("--revision", help="Branch to publish to.", panel=TARGET)]
ExistOk = Annotated[
    bool, option("--exist-ok", help="Add a commit to a repository that exists.", panel=TARGET)
]
Json = Annotated[bool, option("--json", help="Print JSON.", panel=SHOWN)]
Quiet = Annotated[bool, option("--quiet", "-q", help="No progress bars.", panel=SHOWN)]


def is_main_process() -> bool:
    """Whether this process may print: the first one, under accelerate or torchrun."""
    return os.environ.get("RANK", "0") == "0"


def say(text: str) -> None:
    """Prints a result once, however many processes there are."""
    if is_main_process():
        print(text, flush=True)


def settle(*, quiet: bool, json: bool) -> None:
    """Silences everything but the result, where that was asked for."""
    be_quiet(quiet or not is_main_process())
    silence_libraries()


def recipe_of(
    models: list[str] | None, recipe_file: Path | None, options: dict[str, Any]
) -> Recipe:
    """The recipe from a file, or from the command's own arguments.

    Raises: RecipeError, if neither or both are given.
    """
    from hubmerge.recipe import make_recipe, read_recipe

    if recipe_file is not None:
        if models:
            raise RecipeError(
                "models and --recipe were both given",
                found=f"{' '.join(models)} and {recipe_file}",
                hint="the recipe names its models: leave one of the two out",
            )
        return read_recipe(recipe_file)
    if models is None or len(models) < 2:
        raise RecipeError(
            "two models are needed",
            found=" ".join(models or ["none"]),
            hint="hubmerge merge ORG/A ORG/B",
        )
    return make_recipe(models=tuple(models), **options)


def mixture_of(weights: str | None) -> tuple[float, ...] | None:
    """Numbers between commas. Raises: RecipeError."""
    if weights is None:
        return None
    try:
        return tuple(float(weight) for weight in weights.split(","))
    except ValueError as error:
        raise RecipeError(f"--weights {weights}", hint="numbers, such as .5,.3,.2") from error


def refuse_beside_recipe(context: typer.Context, recipe: Path, allowed: frozenset[str]) -> None:
    """Raises: RecipeError, if an option was typed that the recipe decides."""
    typed = [
        name
        for name in context.params
        if name not in allowed and str(context.get_parameter_source(name)).endswith("COMMANDLINE")
    ]
    if typed:
        raise RecipeError(
            "--recipe was given with options that it decides",
            found=f"{', '.join(typed)} beside {recipe}",
            hint="leave them out, or write them into a copy of the recipe",
        )


def data_fields(dataset: str | None, **fields: str | int | None) -> dict[str, Any] | None:
    """The data set's part of a recipe; None without one. Raises: RecipeError."""
    if dataset is None:
        given = [name for name, value in fields.items() if value is not None]
        if given:
            raise RecipeError(f"{given[0]} was given without --dataset")
        return None
    return {"id": dataset, **fields}


def number_of_samples(samples: str | None) -> int | str | None:
    """A number, "all" or None. Raises: RecipeError."""
    if samples is None or samples == "all":
        return samples
    if not samples.isdigit():
        raise RecipeError(f"--samples {samples}", hint='a number, or "all"')
    return int(samples)


def destination_of(
    out: Path | None,
    push: str | None,
    private: bool | None,
    create_pr: bool,
    revision: str | None,
    exist_ok: bool,
) -> Destination:
    """Where the result goes."""
    from hubmerge.hub.destination import Destination

    return Destination(out, push, private, create_pr, revision, exist_ok)
