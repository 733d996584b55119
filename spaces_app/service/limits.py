"""Limits of a shared machine, and the checks that refuse a job before it starts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import NonNegativeInt, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hubmerge.errors import RecipeError, ResourceError
from hubmerge.errors.wording import quoted
from hubmerge.planning.resources import human
from hubmerge.recipe import Recipe, counts_of, models_of, refs_of
from hubmerge.utils.model_refs import parse_model_ref

PREFIX = "HUBMERGE_APP_"
"""Environment variables that replace a limit: HUBMERGE_APP_PER_PERSON=5."""

COUNTED = {
    "learning_steps": "learning steps",
    "refine_steps": "steps of refinement",
    "path_points": "points to refine a path by",
}
"""Field of a recipe -> what is counted in it."""

RECIPE_BYTES = 64_000
"""Default size limit of an uploaded recipe."""


class Limits(BaseSettings):
    """Limits of one installation; the environment replaces their defaults."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", use_attribute_docstrings=True
    )

    heavy: NonNegativeInt = 1
    """Merges that run at the same time."""
    light: NonNegativeInt = 2
    """Plans, predictions, archives and uploads that run at the same time, each."""
    waiting: NonNegativeInt = 200
    """Length of the queue; visitors who are not signed in may fill half of it."""
    per_person: NonNegativeInt = 3
    """Unfinished merges of one visitor."""
    kept_per_person: NonNegativeInt = 12
    """Finished merges that are kept for one visitor; the oldest are removed."""
    models: NonNegativeInt = 6
    """Parents of one merge."""
    parameters: NonNegativeInt = 120_000_000
    """Weights of one parent."""
    download: NonNegativeInt = 8_000_000_000
    """Bytes of models and data that one merge may download."""
    rows: NonNegativeInt = 20_000
    """Rows that a recipe may measure or calibrate on."""
    steps: NonNegativeInt = 2_000
    """Learning steps of a matcher, and upper bound of a fusion's integer options."""
    points: NonNegativeInt = 40
    """Points by which a path may be refined."""
    merge_seconds: NonNegativeInt = 3 * 3600
    """Longest duration of a merge."""
    verify_seconds: NonNegativeInt = 3600
    """Longest duration of one level of verifying a published merge; 0 verifies none."""
    leaderboard_rows: NonNegativeInt = 1000
    """Fewest evaluation rows of a merge on a leaderboard; others are not verified."""
    light_seconds: NonNegativeInt = 180
    """Longest duration of a prediction or an archive."""
    plan_seconds: NonNegativeInt = 60
    """Longest duration of a plan."""
    derive_seconds: NonNegativeInt = 30
    """Processor time in which a spec is derived, where no reviewed one describes the models."""
    fast_seconds: NonNegativeInt = 10
    """How long a plan, prediction, archive or upload may keep others waiting."""
    light_memory: NonNegativeInt = 6_000_000_000
    """Bytes that a plan, prediction, archive or upload may allocate; 0 sets no limit."""
    gpu_seconds: NonNegativeInt = 120
    """Duration for which a merge requests a GPU on ZeroGPU."""
    keep_seconds: NonNegativeInt = 24 * 3600
    """How long a result is kept."""
    cache: NonNegativeInt = 30_000_000_000
    """Bytes of public models and data that are kept in the shared cache."""
    image: NonNegativeInt = 10_000_000
    """Bytes of an uploaded image."""
    recipe: NonNegativeInt = RECIPE_BYTES
    """Bytes of an uploaded recipe."""
    memory: NonNegativeInt = 0
    """Bytes that one process may allocate; 0 sets no limit."""


def read_limits() -> Limits:
    """The defaults and what the environment replaces. Raises: RecipeError."""
    try:
        return Limits()
    except ValidationError as error:
        first = error.errors()[0]
        variable = PREFIX + str(first["loc"][0]).upper()
        raise RecipeError(
            f"{variable}={first['input']}",
            hint="a whole number that is not negative",
        ) from None


def check_recipe(recipe: Recipe, limits: Limits) -> None:
    """Refuse what a shared machine does not run. Raises: RecipeError, ResourceError."""
    if recipe.trust_remote_code:
        raise RecipeError(
            "code from a model's repository is not run here", hint="run hubmerge on your machine"
        )
    if recipe.eval:
        raise RecipeError("benchmarks are not run here", hint="run hubmerge on your machine")
    if recipe.stages:
        raise RecipeError("one merge is made here", hint="stages are for hubmerge on your machine")
    if recipe.alignment:
        raise RecipeError("an alignment is read from a folder, and the Space has none")
    if len(recipe.models) > limits.models:
        raise ResourceError(f"{len(recipe.models)} models", found=f"at most {limits.models} here")
    for ref in models_of(recipe).values():
        if not parse_model_ref(ref).plain:
            raise RecipeError(
                f"{quoted(ref)} is no model as it is stored",
                hint="adapters and parts of the layers are for hubmerge on your machine",
            )
    for ref in refs_of(recipe).values():
        if ref.startswith(("/", ".", "~")) or ref.count("/") < 1:
            raise RecipeError(f"{ref!r} is not an id on the Hub", hint="OWNER/NAME, or its URL")
    for what, rows in (
        ("rows to measure on", recipe.samples),
        ("rows to calibrate on", recipe.calibration_samples),
        ("training rows", recipe.train_samples),
    ):
        if rows == "all" or (isinstance(rows, int) and rows > limits.rows):
            raise ResourceError(
                f"{what}: {rows}", found=f"at most {limits.rows:,} here", hint="ask for fewer"
            )
    for name, number in counts_of(recipe).items():
        most = limits.points if name == "path_points" else limits.steps
        if number > most:
            raise ResourceError(
                f"{COUNTED.get(name, name)}: {number}",
                found=f"at most {most:,} here",
                hint="ask for fewer",
            )


def check_plan(plan: Mapping[str, Any], limits: Limits) -> None:
    """Refuse models that are too large for this machine, or lie on it.

    Raises: ResourceError; RecipeError, for a folder that has the name of a repository.
    """
    for source in filter(None, (*plan["models"], plan.get("base"), plan.get("data"))):
        if source["sha"].startswith("local-"):
            raise RecipeError(f"{source['ref']!r} is not on the Hub", hint="OWNER/NAME, or its URL")
    for model in (*plan["models"], *filter(None, [plan.get("base")])):
        if model["parameters"] > limits.parameters:
            raise ResourceError(
                f"{model['id']} is too large for this Space",
                found=f"{model['parameters']:,} weights, at most {limits.parameters:,} here",
                hint="run hubmerge on your own machine: the recipe below gives the same result",
                field="on",
            )
    if (needed := plan["needs"]["download"]) > limits.download:
        raise ResourceError(
            "the download is too large for this Space",
            found=f"{human(needed)}, at most {human(limits.download)} here",
            hint="use a smaller data set, or run hubmerge on your own machine",
            field="on",
        )
