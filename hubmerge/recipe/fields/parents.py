"""What parents may be, and what becomes of their labels."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from hubmerge.options.declared import MATCH, MODELS, Option
from hubmerge.recipe.part import EVERYWHERE, RecipePart
from hubmerge.recipe.words import SAME, HeadKind


class ParentFields(RecipePart):
    """What parents may be, and what becomes of their labels."""

    align_labels: Annotated[
        Literal["name", "index"],
        Option(
            "How B's classes are brought into A's order.",
            group=MODELS,
            choices={"name": "by name", "index": "by number"},
            also=EVERYWHERE,
            label="Classes",
            see="evaluation.md#labels",
        ),
    ] = "name"
    heads: Annotated[
        HeadKind,
        Option(
            "What happens to the heads of parents with different label sets.",
            group=MODELS,
            choices={
                "same": "refused",
                "join": "one output for every label",
                "concat": "all outputs side by side",
            },
            also=(MATCH,),
            label="Different label sets",
            see="heads.md",
        ),
    ] = SAME
    layers: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "How many layers the models must have, or they are refused; None: any number.",
            group=MODELS,
            flags="",
            label="",
        ),
    ] = None
    dequantize: Annotated[
        bool,
        Option(
            "Dequantise models that are stored in fp8, mxfp4 or by bitsandbytes in 4 bits, to the "
            "dtype their configuration names. Default: they are refused.",
            group=MODELS,
            also=EVERYWHERE,
            label="",
            see="large-models.md#quantised-models",
        ),
    ] = False
    trust_remote_code: Annotated[
        bool,
        Option(
            "Run Python code that comes with the models.",
            group=MODELS,
            also=EVERYWHERE,
            label="",
        ),
    ] = False
