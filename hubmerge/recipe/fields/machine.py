"""What of the machine a merge may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import SIZE


class MachineFields(RecipePart):
    """What of the machine a merge may take. It changes no byte, and is not written beside it."""

    memory: Annotated[
        str | None,
        Field(pattern=SIZE),
        Option(
            "Bytes of memory that may be taken, such as 8GB. Less of it takes longer and changes "
            "nothing else. Default: what is free.",
            group=MODELS,
            label="",
            see="large-models.md#memory",
        ),
    ] = None
