"""What one machine gives to many people, and how to say no before the long work."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from hubmerge.errors import RecipeError, ResourceError
from hubmerge.planning.resources import human
from hubmerge.recipe import Recipe

PREFIX = "HUBMERGE_APP_"
"""Environment variables that replace a limit: HUBMERGE_APP_PER_PERSON=5."""


@dataclass(frozen=True)
class Limits:
    """Numbers a host may want to change."""

    heavy: int = 1
    """Merges carried out at once."""
    light: int = 2
    """Plans, trials and uploads at once, each kind."""
    waiting: int = 200
    """Merges in the queue; those of people who have not signed in fill half of it at most."""
    per_person: int = 3
    """Unfinished merges of one person."""
    kept_per_person: int = 12
    """Finished merges of one person that are kept; older ones make room."""
    models: int = 6
    """Parents of one merge."""
    parameters: int = 120_000_000
    """Weights of one parent."""
    download: int = 8_000_000_000
    """Bytes of models and data one merge may bring."""
    rows: int = 20_000
    """Rows a recipe may ask to be measured, or calibrated, on."""
    steps: int = 2_000
    """Steps a matcher may learn for, and the most that a fusion's option may be if it counts."""
    points: int = 40
    """Points a path may be refined by."""
    merge_seconds: int = 3 * 3600
    light_seconds: int = 180
    """Longest a merge, and anything else, may take."""
    gpu_seconds: int = 120
    """How long a GPU is asked for, where GPUs are lent per merge."""
    keep_seconds: int = 24 * 3600
    """How long a result stays."""
    cache: int = 30_000_000_000
    """Bytes of public models and data kept for the next job."""
    image: int = 10_000_000
    """Bytes of an image somebody tries."""
    recipe: int = 64_000
    """Bytes of a recipe somebody drops in."""
    memory: int = 0
    """Bytes one process may allocate; 0 leaves it to the system."""

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """The defaults, with what the environment replaces. Raises: RecipeError."""
        given = {}
        for field in fields(cls):
            text = environment.get(PREFIX + field.name.upper())
            if text is not None:
                if not text.isdecimal():
                    raise RecipeError(f"{PREFIX}{field.name.upper()}={text}", hint="a whole number")
                given[field.name] = int(text)
        return cls(**given)


def check_recipe(recipe: Recipe, limits: Limits) -> None:
    """Raises: RecipeError, ResourceError, for what nobody may ask of a shared machine."""
    if recipe.trust_remote_code:
        raise RecipeError(
            "code that a model brings along is not run here", hint="run hubmerge on your machine"
        )
    if recipe.alignment:
        raise RecipeError("an alignment lies in a folder, and there are none here")
    if len(recipe.models) > limits.models:
        raise ResourceError(f"{len(recipe.models)} models", found=f"at most {limits.models} here")
    named = (*recipe.models, recipe.base, recipe.dataset.id if recipe.dataset else None)
    for ref in filter(None, named):
        if ref.startswith(("/", ".", "~")) or ref.count("/") < 1:
            raise RecipeError(f"{ref!r} is no name on the Hub", hint="OWNER/NAME, or its address")
    for what, rows in (
        ("rows to measure on", recipe.samples),
        ("rows to calibrate on", recipe.calibration_samples),
        ("training rows", recipe.train_samples),
    ):
        if rows == "all" or (isinstance(rows, int) and rows > limits.rows):
            raise ResourceError(
                f"{what}: {rows}", found=f"at most {limits.rows:,} here", hint="ask for fewer"
            )
    counted = {"learning steps": recipe.learning_steps, **recipe.fuse_options}
    bounded = [(what, number, limits.steps) for what, number in counted.items()]
    for what, number, most in (
        *bounded,
        ("points to refine a path by", recipe.path_points, limits.points),
    ):
        if isinstance(number, int) and number > most:
            raise ResourceError(
                f"{what}: {number}", found=f"at most {most:,} here", hint="ask for fewer"
            )


def check_plan(plan: Mapping[str, Any], limits: Limits) -> None:
    """Raises: ResourceError, if the models are larger than this machine takes."""
    for model in (*plan["models"], *filter(None, [plan.get("base")])):
        if model["parameters"] > limits.parameters:
            raise ResourceError(
                f"{model['id']} is too large for this Space",
                found=f"{model['parameters']:,} weights, at most {limits.parameters:,} here",
                hint="run hubmerge on a machine of your own: the recipe below does the same there",
            )
    if (needed := plan["needs"]["download"]) > limits.download:
        raise ResourceError(
            "this is too much to download for this Space",
            found=f"{human(needed)}, at most {human(limits.download)} here",
            hint="a smaller data set, or hubmerge on a machine of your own",
        )
