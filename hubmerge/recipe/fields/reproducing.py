"""What makes a merge the same once more."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.effort import Trials
from hubmerge.recipe.part import EVERYWHERE, RecipePart


class ReproduceFields(RecipePart):
    """What makes a merge the same once more."""

    seed: Annotated[
        int,
        Field(ge=0),
        Option("Seed of every random choice.", group=MODELS, also=EVERYWHERE, label="Seed"),
    ] = 0
    shas: Annotated[
        dict[str, str],
        Option(
            "Hashes of what is loaded from local models and data sets: model_a, model_b, ..., "
            "base, dataset. Different content is refused; NAME@local-HASH says the same.",
            group=MODELS,
            flags="",
            label="",
        ),
    ] = Field(default_factory=dict)
    trials: Annotated[
        Trials | None,
        Option(
            "What the effort stood for; written with the result.",
            group=MODELS,
            flags="",
            label="",
        ),
    ] = None
    arithmetic: Annotated[
        int | None,
        Option(
            "Version of the arithmetic that made the merge; written with the result.",
            group=MODELS,
            flags="",
            label="",
        ),
    ] = None
