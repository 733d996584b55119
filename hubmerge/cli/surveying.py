"""The arguments that say which models are surveyed and on what, for every command about that."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from hubmerge.cli import options as o

if TYPE_CHECKING:
    from hubmerge.reporting.schema.survey_results import Surveyed

Act = Callable[..., None]
"""Takes the recipe, the folder to write and whether JSON is wanted; its keyword-only parameters
are options of its command alone."""


def shared(
    context: typer.Context,
    models: o.Models = None,
    match: o.MatchName = "auto",
    symmetry: o.Symmetry = "auto",
    together: o.TogetherName = "auto",
    repair: o.RepairName = "auto",
    labels: o.Labels = "name",
    learning_steps: o.LearningSteps = None,
    seed: o.Seed = 0,
    alignment: o.Alignment = None,
    recipe: o.RecipeFile = None,
    trust_remote_code: o.TrustRemoteCode = False,
    dataset: o.Dataset = None,
    dataset_config: o.DatasetConfig = None,
    split: o.Split = None,
    calibration_split: o.CalibrationSplit = None,
    image_column: o.ImageColumn = None,
    feature_column: o.FeatureColumn = None,
    label_column: o.LabelColumn = None,
    text_column: o.TextColumn = None,
    tokens: o.Tokens = None,
    samples: o.Samples = None,
    calibration_samples: o.CalibrationSamples = None,
    out: o.Out = None,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> tuple[Any, Any, bool]:
    """The recipe, the folder and whether JSON is wanted."""
    data = o.data_fields(
        dataset,
        config=dataset_config,
        split=split,
        calibration_split=calibration_split,
        image_column=image_column,
        feature_column=feature_column,
        label_column=label_column,
        text_column=text_column,
        tokens=tokens,
    )
    given = {
        "match": match,
        "symmetry": symmetry,
        "together": together,
        "repair": repair,
        "labels": labels,
        "learning_steps": learning_steps,
        "seed": seed,
        "alignment": str(alignment) if alignment else None,
        "trust_remote_code": trust_remote_code,
        "dataset": data,
        "samples": o.number_of_samples(samples),
        "calibration_samples": calibration_samples,
    }
    if recipe is not None:
        o.refuse_beside_recipe(context, recipe, frozenset(context.params) - OF_A_RECIPE)
    wanted = o.recipe_of(models, recipe, given)
    o.settle(quiet=quiet, json=json)
    return wanted, out, json


def say_found(found: Surveyed, *, json: bool) -> None:
    """Prints what a survey found: a sentence and its tables, or all of it as JSON."""
    from hubmerge.reporting.survey_kinds import as_text, kind_of

    if json:
        o.say(found.model_dump_json(indent=2))
        return
    o.say("\n\n".join([found.sentence, *map(as_text, kind_of(found).tables(found))]))


OF_A_RECIPE = frozenset(inspect.signature(shared).parameters) - {
    "context",
    "recipe",
    "out",
    "json",
    "quiet",
}
"""Options that a recipe decides."""


def surveying(act: Act) -> Callable[..., None]:
    """A command with the shared arguments and the keyword-only ones of `act`."""
    own = [p for p in inspect.signature(act).parameters.values() if p.kind is p.KEYWORD_ONLY]
    ours = list(inspect.signature(shared).parameters.values())
    named = get_type_hints(act, include_extras=True)
    hints = get_type_hints(shared, include_extras=True) | {p.name: named[p.name] for p in own}

    def command(**given: Any) -> None:
        extra = {parameter.name: given.pop(parameter.name) for parameter in own}
        act(*shared(**given), **extra)

    parameters = [
        parameter.replace(kind=parameter.KEYWORD_ONLY, annotation=hints[parameter.name])
        for parameter in (*ours[:2], *own, *ours[2:])
    ]
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__ = act.__doc__
    return command
