"""What is done to a network once it is fused."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubmerge.options.declared import MODELS, SURVEY, Option
from hubmerge.recipe.fields.named import named_in
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import AUTO


class ImproveFields(RecipePart):
    """What is done to a network once it is fused."""

    repair: Annotated[
        str,
        named_in("repairs"),
        Option(
            "How activation statistics distorted by fusion are corrected.",
            group=MODELS,
            registry="repairs",
            choices={
                "auto": "batchnorm where the model has batch norms, on synthetic images if "
                "there are no calibration rows",
                "none": "not at all",
            },
            also=(SURVEY,),
            label="Repair",
            see="repair.md",
        ),
    ] = AUTO
    refine: Annotated[
        Literal["auto", "none", "distill"],
        Option(
            "How the fused network is trained further, on unlabelled rows.",
            group=MODELS,
            choices={
                "auto": "as the effort says, where models and rows allow it",
                "none": "not at all",
                "distill": "it learns the parents' mean prediction; kept if validation rows gain",
            },
            label="Refinement",
            see="refine.md",
        ),
    ] = AUTO
    refine_steps: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "Maximum number of steps of a refinement. Default: by effort.",
            group=MODELS,
            label="",
            see="refine.md",
        ),
    ] = None
