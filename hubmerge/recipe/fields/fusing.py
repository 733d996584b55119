"""How aligned models become one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.fields.named import named_in
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.words import AUTO, MIDDLE

if TYPE_CHECKING:
    from hubmerge.recipe.fields.objects import Base


def _without_sign(share: float) -> float:
    """0 of -0.0, which is as far from 1, and would be shown as "-0"."""
    return share + 0.0


class FuseFields(RecipePart):
    """How aligned models become one."""

    fuse: Annotated[
        str,
        named_in("fusions"),
        Option(
            "How the matched models are combined; mergekit's names work too. Default: by effort.",
            group=MODELS,
            registry="fusions",
            choices={"auto": "the best on validation rows of all that the inputs allow"},
            top=True,
            label="Fusion",
            see="fusions.md",
        ),
    ] = AUTO
    fuse_options: Annotated[
        dict[str, bool | int | float | str | tuple[float, ...]],
        Option(
            "An option of the fusion, such as density=0.2; over layers density=1,.5,.1; in "
            "tensors whose names contain mlp density@mlp=.3; of model B density/B=.5.",
            group=MODELS,
            flags="--fuse-option",
            metavar="NAME=VALUE",
            label="",
            see="fusions.md",
        ),
    ] = Field(default_factory=dict)
    if TYPE_CHECKING:
        base: Base = Base()
    else:
        base: Annotated[
            str | None,
            Option(
                "The model that all parents were fine-tuned from: a Hub id, id@revision or a "
                "folder. The result has its order of units. Without data the fusion is then ties, "
                "unless another that takes a base is named.",
                group=MODELS,
                top=True,
                label="Common base",
            ),
        ] = None
    lam: Annotated[
        Annotated[float, Field(ge=0, le=1), AfterValidator(_without_sign)] | Literal["auto"],
        Field(alias="lambda"),
        Option(
            "Weight of parent B, for two models.",
            group=MODELS,
            choices={"auto": "the one with the lowest loss on validation rows"},
            top=True,
            label="λ, the share of model B",
        ),
    ] = MIDDLE
    weights: Annotated[
        tuple[Annotated[float, Field(ge=0)], ...] | None,
        Option(
            "Weight of each model, such as .5,.3,.2; they sum to 1. Of two, the second is lambda. "
            "Default: equal weights.",
            group=MODELS,
            metavar="W,W,...",
            top=True,
            label="",
            see="multi-model.md",
        ),
    ] = None
    only: Annotated[
        tuple[str, ...],
        Option(
            "Merge only tensors whose names begin with this; the rest stays A's.",
            group=MODELS,
            metavar="PREFIX",
            label="",
        ),
    ] = ()
    keep: Annotated[
        tuple[str, ...],
        Option(
            "Keep tensors whose names begin with this from A.",
            group=MODELS,
            metavar="PREFIX",
            label="",
        ),
    ] = ()
