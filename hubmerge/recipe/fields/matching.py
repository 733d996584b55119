"""How units of one model are found in another."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubmerge.options.declared import MODELS, SURVEY, Option
from hubmerge.recipe.fields.named import named_in
from hubmerge.recipe.part import MATCHING, RecipePart
from hubmerge.recipe.words import AUTO


class MatchFields(RecipePart):
    """How units of one model are found in another."""

    match: Annotated[
        str,
        named_in("matchers"),
        Option(
            "How corresponding units of the models are found.",
            group=MODELS,
            registry="matchers",
            choices={
                "auto": "the best of several on validation rows; without data synthetic or weights",
                "none": "units keep their order",
            },
            top=True,
            also=MATCHING,
            label="Matching",
            see="matching.md",
        ),
    ] = AUTO
    symmetry: Annotated[
        Literal["auto", "permutations", "maps", "scales", "all"],
        Option(
            "Symmetries used in matching; each choice includes those before it: "
            "permutations < maps < scales < all.",
            group=MODELS,
            choices={
                "auto": "scales; where several are tried, the best on validation rows",
                "permutations": "reordering only",
                "maps": "also rotations, linear maps and signs",
                "scales": "also scales, except of inputs of batch norms",
                "all": "also scales of inputs of batch norms",
            },
            also=MATCHING,
            label="Symmetries",
            see="matching.md#scales",
        ),
    ] = AUTO
    multi_match: Annotated[
        str,
        named_in("multi_matchers"),
        Option(
            "How more than two models are matched.",
            group=MODELS,
            registry="multi_matchers",
            choices={"auto": "cycle-consistent, or star for a learned matcher"},
            also=MATCHING,
            label="",
            see="multi-model.md",
        ),
    ] = AUTO
    learning_steps: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "Maximum number of steps of a learned matcher. Default: 300 or 600, by matcher.",
            group=MODELS,
            also=MATCHING,
            label="",
            see="learned-matching.md",
        ),
    ] = None
    alignment: Annotated[
        str | None,
        Option(
            "A folder saved by `hubmerge match -o`, used instead of matching; in a recipe, a "
            "path relative to its file.",
            group=MODELS,
            metavar="PATH",
            also=(SURVEY,),
            label="",
        ),
    ] = None
