"""What is asked for: which models, and how much is tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.effort import STANDARD, EffortName
from hubmerge.recipe.part import EVERYWHERE, RecipePart
from hubmerge.utils.parent_names import MOST

if TYPE_CHECKING:
    from hubmerge.recipe.fields.objects import Models


class RequestFields(RecipePart):
    """What is asked for: which models, and how much is tried."""

    if TYPE_CHECKING:
        models: Models
    else:
        models: Annotated[
            tuple[str, ...],
            Field(min_length=2, max_length=MOST),
            Option(
                f"The parents, two to {MOST}: each a Hub id, id@revision or a folder; "
                "BASE+ADAPTER, and MODEL[8:24] for some of the layers. The result keeps A's "
                "processor and its order of units and labels.",
                group=MODELS,
                metavar="A B",
                positional=True,
                also=EVERYWHERE,
                label="",
            ),
        ]
    effort: Annotated[
        EffortName,
        Option(
            "How much is tried where no other option says it; what is tried is kept where "
            "validation rows say so.",
            group=MODELS,
            choices={
                "quick": "one way to match, averaged, statistics",
                "standard": "with data also layers refitted by least squares, and a short "
                "refinement",
                "best": "with data also learned matching, every fusion, the share of B, and a long "
                "refinement",
            },
            top=True,
            label="",
            see="effort.md",
        ),
    ] = STANDARD
