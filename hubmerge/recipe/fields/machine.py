"""What of the machine a merge may take."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import SIZE


class MachineFields(RecipePart):
    """What of the machine a merge may take. It is not written beside the merge: `memory` changes
    no byte, and where it was computed is said by the report."""

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
    device: Annotated[
        str | None,
        Field(pattern=r"^[a-z]+(:[0-9]{1,3})?$"),
        Option(
            "What computes: cpu, or an accelerator that is there, such as cuda or cuda:1, which "
            "then also fuses tensors from disk. Default: the accelerator that is there, but for "
            "fusing.",
            group=MODELS,
            label="",
            see="large-models.md#accelerators",
        ),
    ] = None
