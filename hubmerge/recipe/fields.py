"""The fields of a recipe: each option is declared here, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from hubmerge.options.declared import MATCH, MEASURING, MODELS, PATH, SURVEY, Option
from hubmerge.recipe.data import DataRecipe
from hubmerge.recipe.effort import STANDARD, EffortName, Trials
from hubmerge.recipe.part import EVERYWHERE, MATCHING, RecipePart
from hubmerge.recipe.tokens import TokenRow
from hubmerge.recipe.words import (
    AUTO,
    MIDDLE,
    SAME,
    SIZE,
    TEMPLATE_CHARACTERS,
    DtypeName,
    HeadKind,
    SurveyName,
)
from hubmerge.registry import registry
from hubmerge.utils.in_memory import DataObject, Loaded, Loader, ModelObject
from hubmerge.utils.parent_names import MOST


def _named_in(name: str) -> AfterValidator:
    """Takes a method by any of its names in this registry for the one it is registered under.

    Raises: RecipeError, with the nearest names, for a method that is not registered.
    """

    return AfterValidator(lambda given: registry(name).named(given))


if TYPE_CHECKING:

    class Models:
        """The type of `Recipe.models`: objects may be given, names are held."""

        def __get__(self, recipe: object, kind: type | None = None) -> tuple[str, ...]: ...
        def __set__(self, recipe: object, given: Sequence[str | ModelObject | Loaded]) -> None: ...

    class Base:
        """The type of `Recipe.base`."""

        def __get__(self, recipe: object, kind: type | None = None) -> str | None: ...
        def __set__(self, recipe: object, given: str | ModelObject | Loaded | None) -> None: ...

    class Dataset:
        """The type of `Recipe.dataset`: an id or an object may be given."""

        def __get__(self, recipe: object, kind: type | None = None) -> DataRecipe | None: ...
        def __set__(
            self,
            recipe: object,
            given: DataRecipe
            | str
            | DataObject
            | Loader
            | Mapping[str, object]
            | Sequence[object]
            | None,
        ) -> None: ...


class RecipeFields(RecipePart):
    """What a recipe holds, before it is checked for contradictions."""

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
    match: Annotated[
        str,
        _named_in("matchers"),
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
        _named_in("multi_matchers"),
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
    fuse: Annotated[
        str,
        _named_in("fusions"),
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
    repair: Annotated[
        str,
        _named_in("repairs"),
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
    lam: Annotated[
        Annotated[float, Field(ge=0, le=1)] | Literal["auto"],
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
    if TYPE_CHECKING:
        dataset: Dataset = Dataset()
    else:
        dataset: DataRecipe | None = None
    samples: Annotated[
        Annotated[int, Field(ge=1)] | Literal["all"] | None,
        Option(
            "Evaluation rows. Default: 1,000, or all if there are fewer.",
            group=MEASURING,
            choices={"all": "every row of the split"},
            top=True,
            also=(SURVEY,),
            label="Rows to measure on",
            see="evaluation.md#data",
        ),
    ] = None
    calibration_samples: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Rows for activations and statistics. Default: 1,000, or all if there are fewer.",
            group=MEASURING,
            also=MATCHING,
            label="Rows to match on",
            see="evaluation.md#data",
        ),
    ] = None
    train_samples: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "Training rows on which the paths are also measured; they do not affect the verdict.",
            group=MEASURING,
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = None
    path: Annotated[
        Literal["short", "full"],
        Option(
            "How closely the loss along the paths is looked at.",
            group=MEASURING,
            choices={
                "short": "3 points between the parents, and 3 more where the merge lies",
                "full": "9 points, and up to 8 more until the maxima are settled",
            },
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = "short"
    path_points: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Points that may be added to a full path's 11 until its maxima are settled. Default: "
            "8; a number asks for the full path.",
            group=MEASURING,
            also=(PATH,),
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = None
    survey: Annotated[
        tuple[SurveyName, ...],
        Option(
            "Additional surveys of the loss landscape around the merge.",
            group=MEASURING,
            choices={
                "path": "a low-loss curve between two models",
                "plane": "the loss on a plane through two models",
                "simplex": "all mixtures of three models or more",
            },
            label="Surveys around the merge",
            see="landscape.md#on-a-merges-card",
        ),
    ] = ()
    eval: Annotated[
        tuple[str, ...],
        AfterValidator(lambda given: tuple(name for each in given for name in each.split(","))),
        Option(
            "Benchmarks of language models, run by lm-evaluation-harness: tasks of the harness, or "
            "data sets of the Hub with a task file.",
            group=MEASURING,
            metavar="TASK",
            label="",
            see="evaluation.md#benchmarks",
        ),
    ] = ()
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
    seed: Annotated[
        int,
        Field(ge=0),
        Option("Seed of every random choice.", group=MODELS, also=EVERYWHERE, label="Seed"),
    ] = 0
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
    tokenizer: Annotated[
        str | None,
        Field(pattern=r"^(union|base|[A-Z])$"),
        Option(
            "Whose vocabulary the merge has, where the parents' differ: rows of embeddings and "
            "heads are brought together by token. Default: models of other vocabularies are "
            "refused.",
            group=MODELS,
            choices={
                "union": "every token of any parent, A's first",
                "base": "the common base's",
                "A": "A's; or the letter of another parent",
            },
            label="",
            see="vocabularies.md",
        ),
    ] = None
    tokens: Annotated[
        dict[str, TokenRow],
        Option(
            "What the rows of single tokens are made of, where models lack them: of, token, "
            "token_id, force.",
            group=MODELS,
            flags="",
            label="",
            see="vocabularies.md",
        ),
    ] = Field(default_factory=dict)
    chat_template: Annotated[
        str | None,
        Field(max_length=TEMPLATE_CHARACTERS),
        Option(
            "Whose chat template the merge has: a parent's letter, base, or the template itself. "
            "Default: that of the model whose vocabulary it has, else the first there is.",
            group=MODELS,
            choices={"auto": "what most parents have"},
            label="",
            see="vocabularies.md",
        ),
    ] = None
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
    trust_remote_code: Annotated[
        bool,
        Option(
            "Run Python code that comes with the models.",
            group=MODELS,
            also=EVERYWHERE,
            label="",
        ),
    ] = False
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
