"""How the merge is stored."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import SIZE, DtypeName


class StoreFields(RecipePart):
    """How the merge is stored."""

    dtype: Annotated[
        DtypeName | None,
        Option(
            "What floating-point tensors of the merge are stored as. Default: what the parents "
            "store each in, the widest where they differ.",
            group=MODELS,
            choices={
                "float32": "4 bytes a number",
                "float16": "2 bytes, of a small range",
                "bfloat16": "2 bytes, of float32's range",
            },
            label="",
        ),
    ] = None
    max_shard_size: Annotated[
        str | None,
        Field(pattern=SIZE),
        Option(
            "Bytes of weights in a file at most, such as 5GB. Default: the files that A has.",
            group=MODELS,
            label="",
        ),
    ] = None
