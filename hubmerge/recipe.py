"""A recipe: everything that decides the bytes of a merge, as one object and one YAML file."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import YAML
from hubmerge.options.declared import (
    DATA,
    DIAGNOSE,
    MATCH,
    MEASURING,
    MODELS,
    PATH,
    SURVEY,
    Option,
    options_of,
    parameters_text,
)
from hubmerge.registry import registry
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.parent_names import MOST, roles
from hubmerge.utils.pinned_refs import CONTENT, HASH, folder_name, is_pinned
from hubmerge.utils.problems import refusal
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_yaml

RECIPE_FILE = "hubmerge.yaml"
RECIPE_BYTES = 1 << 16
"""Most of a recipe's file."""
DEEPEST = 4
"""Levels a recipe has, at most: lists and mappings within each other, and one to spare."""
DATASET, BASE = "dataset", "base"
"""Roles beside "model_a", "model_b", ..."""
AUTO: Final = "auto"
ARITHMETIC = 1
"""Version of the arithmetic. Another one gives other bytes for the same recipe."""
MIDDLE = 0.5
"""The lambda that weighs two parents alike."""
PATH_POINTS = 8
"""Default number of points that may be added to a path's 11 around its highest ones."""
HeadKind = Literal["same", "join", "concat"]
"""One label set for all; one output per label of any; all outputs of all parents."""
JointHeadKind = Literal["join", "concat"]
SAME: Final = "same"
JOIN: Final = "join"
CONCAT: Final = "concat"

SurveyName = Literal["path", "plane", "simplex"]


def _named_in(name: str) -> AfterValidator:
    """Takes a method by any of its names in this registry for the one it is registered under.

    Raises: RecipeError, with the nearest names, for a method that is not registered.
    """

    return AfterValidator(lambda given: registry(name).named(given))


EVERYWHERE = (MATCH, DIAGNOSE, SURVEY)
MATCHING = (MATCH, SURVEY)


class RecipePart(BaseModel):
    """Base: immutable, no unknown fields; its options are described in its docstring."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        said = inspect.cleandoc(cls.__doc__ or cls.__base__.__doc__ or "")  # type: ignore[union-attr]
        options = {k: v for k, v in options_of(cls).items() if "." not in k}
        cls.__doc__ = f"{said.partition('Parameters:')[0].strip()}\n\n{parameters_text(options)}"


P = TypeVar("P", bound=RecipePart)


class DataRecipe(RecipePart):
    """Which data set, and where in it to look; what is None is detected."""

    id: Annotated[
        str,
        Option(
            "Data to match and measure on: a Hub id, id@revision or a folder.",
            group=DATA,
            flags="--dataset",
            top=True,
            also=EVERYWHERE,
            label="",
            see="evaluation.md#data",
        ),
    ]
    config: Annotated[
        str | None,
        Option(
            "Configuration of the data set.",
            group=DATA,
            flags="--dataset-config",
            also=MATCHING,
            label="",
        ),
    ] = None
    split: Annotated[
        str | None,
        Option("Split to measure on. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    calibration_split: Annotated[
        str | None,
        Option(
            "Split for activations and statistics. Default: detected.",
            group=DATA,
            also=MATCHING,
            label="",
        ),
    ] = None
    image_column: Annotated[
        str | None,
        Option("Column of images. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    feature_column: Annotated[
        str | None,
        Option(
            "Column of lists of floats. Default: detected.", group=DATA, also=MATCHING, label=""
        ),
    ] = None
    label_column: Annotated[
        str | None,
        Option("Column of labels. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    text_column: Annotated[
        str | None,
        Option("Column of texts. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    tokens: Annotated[
        int | None,
        Field(ge=2),
        Option(
            "Tokens per block of text, for language models. Default: 128, or the model's "
            "maximum if that is less.",
            group=DATA,
            also=MATCHING,
            label="",
            see="evaluation.md#texts",
        ),
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are asked for by name."""
        names = (self.image_column, self.feature_column, self.label_column, self.text_column)
        return tuple(name for name in names if name is not None)


class Recipe(RecipePart):
    """Two models or more in, one merge out. The same recipe gives the same bytes."""

    models: Annotated[
        tuple[str, ...],
        Field(min_length=2, max_length=MOST),
        Option(
            f"The parents, two to {MOST}: each a Hub id, id@revision or a folder. The result keeps "
            "A's processor and its order of units and labels.",
            group=MODELS,
            metavar="A B",
            positional=True,
            also=EVERYWHERE,
            label="",
        ),
    ]
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
            "How the matched models are combined; mergekit's names work too.",
            group=MODELS,
            registry="fusions",
            choices={"auto": "the best on validation rows of all that the inputs allow"},
            top=True,
            label="Fusion",
            see="fusions.md",
        ),
    ] = "average"
    fuse_options: Annotated[
        dict[str, bool | int | float | str],
        Option(
            "An option of the fusion, such as density=0.2.",
            group=MODELS,
            flags="--fuse-option",
            metavar="NAME=VALUE",
            label="",
            see="fusions.md",
        ),
    ] = Field(default_factory=dict)
    base: Annotated[
        str | None,
        Option(
            "The model that all parents were fine-tuned from, for fusions that need one: a Hub id, "
            "id@revision or a folder. The result has its order of units.",
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
            top=True,
            also=(SURVEY,),
            label="Repair",
            see="repair.md",
        ),
    ] = AUTO
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
            "Weight of each model, for more than two, such as .5,.3,.2; they sum to 1. Default: "
            "equal weights.",
            group=MODELS,
            metavar="W,W,...",
            top=True,
            label="",
            see="multi-model.md",
        ),
    ] = None
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
    path_points: Annotated[
        int,
        Field(ge=0),
        Option(
            "Points that may be added to a path's 11 until its maxima are settled.",
            group=MEASURING,
            also=(PATH,),
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = PATH_POINTS
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
    arithmetic: Annotated[
        int | None,
        Option(
            "Version of the arithmetic that made the merge; written with the result.",
            group=MODELS,
            flags="",
            label="",
        ),
    ] = None

    if not TYPE_CHECKING:

        def __new__(cls, *unnamed: Any, **fields: Any) -> Self:
            """Refuses what pydantic would raise a TypeError for."""
            if unnamed:
                raise RecipeError(
                    "the fields of a recipe are given by name",
                    found=", ".join(map(repr, unnamed))[:200],
                    hint='hubmerge.Recipe(models=("ORG/A", "ORG/B"), ...)',
                    field="models",
                )
            return super().__new__(cls)

    @model_validator(mode="before")
    @classmethod
    def _dataset_by_id(cls, given: Any) -> Any:
        """Take `dataset="org/name"` for the data set of that id."""
        if isinstance(given, dict) and isinstance(given.get("dataset"), str):
            return {**given, "dataset": {"id": given["dataset"]}}
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lam == AUTO and self.dataset is None:
            raise ValueError("lambda auto chooses on validation rows: it needs a dataset")
        if self.train_samples is not None and self.dataset is None:
            raise ValueError("train_samples are rows of a dataset")
        if self.alignment and self.match not in ("auto", "none"):
            raise ValueError("alignment replaces matching: leave out match")
        if self.heads != SAME and self.align_labels == "index":
            raise ValueError(
                f"heads {self.heads} go by the names of labels: leave out align_labels"
            )
        if self.heads != SAME and self.survey:
            raise ValueError("surveys are of models with one label set: leave out survey, or heads")
        self._check_weights()
        self._check_survey()
        return self

    @model_validator(mode="wrap")
    @classmethod
    def _refused(cls, given: Any, read: Callable[[Any], Self], info: ValidationInfo) -> Self:
        """Turns what pydantic finds into a RecipeError. The context is the file that was read."""
        try:
            return read(given)
        except ValidationError as error:
            wording = None if info.context is None else YAML
            raise refusal(error, cls, info.context or "the recipe", wording) from None

    def _check_survey(self) -> None:
        if not self.survey:
            return
        if self.dataset is None:
            raise ValueError("a survey measures losses: it needs a dataset")
        if self.repair == "repair":
            raise ValueError("a survey leaves the straight line, where repair is not defined")
        if len(set(self.survey)) < len(self.survey):
            raise ValueError("a survey is named twice")
        for name in self.survey:
            if name == "simplex" and len(self.models) < 3:
                raise ValueError("a simplex is of three models or more: path takes two")
            if name != "simplex" and len(self.models) > 2:
                raise ValueError(f"a {name} is of two models: simplex takes more")

    def _check_weights(self) -> None:
        if len(self.models) == 2:
            if self.weights is not None:
                raise ValueError("weights are for more than two models: give lambda, parent B's")
            return
        if self.lam != MIDDLE:
            raise ValueError("lambda is for two models: of more, weights say what each weighs")
        given = self.weights or ()
        if self.weights is not None and len(given) != len(self.models):
            raise ValueError(f"{len(given)} weights for {len(self.models)} models")
        if self.weights is not None and abs(sum(given) - 1) > 1e-6:
            raise ValueError(f"weights add up to {sum(given):g}, not to 1")

    @property
    def mixture(self) -> list[float] | None:
        """What each of more than two models weighs; None for two, which a lambda mixes."""
        if len(self.models) == 2:
            return None
        return list(self.weights or [1 / len(self.models)] * len(self.models))

    @property
    def first_lambda(self) -> float:
        """The weight of parent B; the middle, as long as it is still to be chosen."""
        return MIDDLE if self.lam == AUTO else self.lam

    def to_yaml(self) -> str:
        """The text of `hubmerge.yaml`: only what differs from the defaults."""
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def make_recipe(**fields: Any) -> Recipe:
    """A recipe from its fields. Raises RecipeError that names the field."""
    return make(Recipe, fields)


def make(kind: type[P], fields: dict[str, Any]) -> P:
    """Options of one kind from its fields. Raises: RecipeError that names the field."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise refusal(error, kind, "what was given") from None


@checked
def read_recipe(path: str | Path, folders: Mapping[str, Any] | None = None) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    A path to an alignment is relative to the file. Paths in a recipe of your own are opened when
    it is carried out; one that came with a merge names repositories at their commits and folders by
    their content, and nothing else in it is opened.

    Parameters:
        folders: where folders lie that the recipe names: name, or role such as "model_b", -> path.

    Raises: NotFoundError, RecipeError.
    """
    path = Path(path)
    file = path / RECIPE_FILE if path.is_dir() else path
    try:
        with file.open("rb") as opened:
            text = opened.read(RECIPE_BYTES + 1).decode("utf-8")
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no recipe {str(path)!r}", hint=f"give a {RECIPE_FILE}, or its folder"
        ) from None
    except UnicodeDecodeError as error:
        raise RecipeError(f"{str(file)!r} is not YAML", found=str(error)) from error
    recipe = recipe_from(text, str(file))
    if _came_with_a_merge(recipe, file):
        recipe = _without_places(recipe, str(file))
    recipe = _mapped(recipe, {name: str(place) for name, place in (folders or {}).items()})
    if recipe.alignment:
        beside = str(file.parent / recipe.alignment)
        recipe = recipe.model_copy(update={"alignment": beside})
    return recipe


def recipe_from(text: str, file: str = "the recipe") -> Recipe:
    """The recipe that the text of a file says, as it says it. Raises: RecipeError."""
    try:
        content = read_yaml(text, most=RECIPE_BYTES, deepest=DEEPEST)
    except UnreadableYamlError as error:
        raise RecipeError(f"{file!r} is not YAML", found=str(error)) from error
    return recipe_in(content, file)


def recipe_in(content: Any, file: str = "the recipe") -> Recipe:
    """The recipe that a file's YAML holds. Raises: RecipeError, in the words of such a file."""
    if not isinstance(content, dict):
        raise RecipeError(
            f"{file} is no recipe",
            found=f"a {type(content).__name__}",
            hint=f"a {RECIPE_FILE}, as lies beside every merge",
        )
    return Recipe.model_validate(content, context=file)


def _came_with_a_merge(recipe: Recipe, file: Path) -> bool:
    """Whether hubmerge wrote the file, here or elsewhere, or it was brought from the Hub."""
    cached = any(part.startswith(("models--", "datasets--")) for part in file.absolute().parts)
    return recipe.arithmetic is not None or cached or (file.parent / "report.json").is_file()


def _without_places(recipe: Recipe, file: str) -> Recipe:
    """A recipe from elsewhere, its folders by their content, its alignment beside it.

    Raises: RecipeError, if it names a place.
    """

    def pinned(role: str, ref: str) -> str:
        sha = recipe.shas.get(role, "")
        if not is_pinned(ref) and HASH.fullmatch(sha):
            return f"{folder_name(ref)}@{sha}"
        if is_pinned(ref):
            return ref
        raise RecipeError(
            f"{file} came with a merge, and names {ref!r}, which is no state of anything",
            found=f"{role}, neither at a commit nor by its content",
            hint="in a recipe of your own leave out `arithmetic`, and keep it apart from a merge",
            field="models",
        )

    named = with_refs(recipe, {role: pinned(role, ref) for role, ref in refs_of(recipe).items()})
    update: dict[str, object] = {"shas": {}}
    if recipe.alignment:
        update["alignment"] = folder_name(recipe.alignment)
    return named.model_copy(update=update)


def _mapped(recipe: Recipe, folders: Mapping[str, str]) -> Recipe:
    """The recipe with the folders that a user named. Raises: RecipeError, if it has no such."""
    refs, shas, used = refs_of(recipe), dict(recipe.shas), set()
    for role, ref in refs.items():
        for name in (role, folder_name(ref)):
            if name in folders:
                used.add(name)
                refs[role] = str(Path(folders[name]).expanduser().absolute())
                content = CONTENT.fullmatch(ref)
                shas |= {role: content["sha"]} if content else {}
                break
    if unknown := sorted(folders.keys() - used):
        raise RecipeError(
            f"the recipe names no folder {unknown[0]!r}",
            found=", ".join(refs.values()),
            field="folders",
        )
    return with_refs(recipe, refs).model_copy(update={"shas": shas}) if used else recipe


def refs_of(recipe: Recipe) -> dict[str, str]:
    """Role ("model_a", ..., "base", "dataset") -> what the recipe names for it."""
    refs = dict(zip(roles("model", len(recipe.models)), recipe.models, strict=True))
    if recipe.base is not None:
        refs[BASE] = recipe.base
    if recipe.dataset is not None:
        refs[DATASET] = recipe.dataset.id
    return refs


def with_refs(recipe: Recipe, refs: Mapping[str, str]) -> Recipe:
    """The recipe with other references for some roles."""
    now = {**refs_of(recipe), **refs}
    update: dict[str, object] = {
        "models": tuple(now[role] for role in roles("model", len(recipe.models)))
    }
    if recipe.base is not None:
        update["base"] = now[BASE]
    if recipe.dataset is not None:
        update["dataset"] = recipe.dataset.model_copy(update={"id": now[DATASET]})
    return recipe.model_copy(update=update)
