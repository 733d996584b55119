"""A recipe: everything that decides the bytes of a merge, as one object and one YAML file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import YAML
from hubmerge.utils.checked_calls import checked
from hubmerge.utils.parent_names import MOST
from hubmerge.utils.problems import refusal

RECIPE_FILE = "hubmerge.yaml"
MIDDLE = 0.5
"""The lambda that weighs two parents alike."""
PATH_POINTS = 8
"""Points that may be added to a path's 11 around its highest ones, if nobody says how many."""


SurveyName = Literal["path", "plane", "simplex"]

HeadKind = Literal["same", "join", "apart"]
"""One label set for all; one output per label of any; all outputs of all parents."""
JointHead = Literal["join", "apart"]
SAME: Final = "same"
JOIN: Final = "join"
APART: Final = "apart"


class Part(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class DataRecipe(Part):
    """Which data set, and where in it to look; what is None is detected.

    tokens: of a block of text, which a language model is measured on; 128, or as many as it takes.
    """

    id: str
    config: str | None = None
    split: str | None = None
    calibration_split: str | None = None
    image_column: str | None = None
    feature_column: str | None = None
    label_column: str | None = None
    text_column: str | None = None
    tokens: int | None = Field(default=None, ge=2)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are asked for by name."""
        names = (self.image_column, self.feature_column, self.label_column, self.text_column)
        return tuple(name for name in names if name is not None)


class Recipe(Part):
    """Two models or more in, one merge out. The same recipe gives the same bytes.

    models: parent A (whose order of units, labels and processor the result keeps), parent B and
        any others, each a Hub id, `id@revision` or a local folder.
    match: a registered matcher, "none", or "auto": the best of several on validation rows.
    symmetry: "all" a family allows, "scaled" (all but inputs of batch norms), "unscaled" (no
        scales), "permutations" alone, or "auto": scaled, or what else validation rows favour where
        several are tried.
    together: how more than two models are brought together: a registered way, or "auto":
        universe, or star for a matcher that learns.
    fuse: a registered fusion, or "auto": of those that what is given allows, the best on
        validation rows.
    fuse_options: the fusion's options by name; what is not given is as by default.
    base: the model all others were made from, for fusions that need one.
    only, keep: beginnings of names of tensors: what alone is merged, what stays A's.
    learning_steps: of a matcher that learns, at most; None: as many as it takes by itself.
    repair: a registered repair, "none", or "auto": batch norm re-estimated where there is any.
    lam: weight of parent B of two; ignored with `best`, which takes the least validation loss.
    heads: "same" label set for all, "join": one output for every label that some model knows, or
        "apart": the outputs of all, side by side.
    weights: of more than two, what each of them weighs; None weighs all alike.
    shas: what models and data set resolved to; given, anything else is refused.
    """

    models: Annotated[tuple[str, ...], Field(min_length=2, max_length=MOST)]
    match: str = "auto"
    symmetry: Literal["auto", "all", "scaled", "unscaled", "permutations"] = "auto"
    together: str = "auto"
    fuse: str = "average"
    fuse_options: dict[str, bool | int | float | str] = Field(default_factory=dict)
    base: str | None = None
    only: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    repair: str = "auto"
    lam: float = Field(default=MIDDLE, ge=0, le=1, alias="lambda")
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = None
    best: bool = False
    dataset: DataRecipe | None = None
    samples: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    calibration_samples: int | None = Field(default=None, ge=0)
    train_samples: int | None = Field(default=None, ge=1)
    path_points: int = Field(default=PATH_POINTS, ge=0)
    survey: tuple[SurveyName, ...] = ()
    learning_steps: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    labels: Literal["by-name", "by-index"] = "by-name"
    heads: HeadKind = SAME
    alignment: str | None = None
    trust_remote_code: bool = False
    shas: dict[str, str] = Field(default_factory=dict)

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
        if self.best and self.dataset is None:
            raise ValueError("best chooses lambda on validation rows: it needs a dataset")
        if self.train_samples is not None and self.dataset is None:
            raise ValueError("train_samples are rows of a dataset")
        if self.alignment and self.match not in ("auto", "none"):
            raise ValueError("alignment replaces matching: leave out match")
        if self.heads != SAME and self.labels == "by-index":
            raise ValueError(f"heads {self.heads} go by the names of labels: leave out labels")
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
        if self.lam != MIDDLE or self.best:
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

    def to_yaml(self) -> str:
        """The text of `hubmerge.yaml`: only what differs from the defaults."""
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def make_recipe(**fields: Any) -> Recipe:
    """A recipe from its fields. Raises RecipeError that names the field."""
    return Recipe(**fields)


@checked
def read_recipe(path: str | Path) -> Recipe:
    """The recipe in a file (or in a folder that holds `hubmerge.yaml`).

    A path to an alignment is relative to the file. Raises NotFoundError, RecipeError.
    """
    path = Path(path)
    file = path / RECIPE_FILE if path.is_dir() else path
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NotFoundError(
            f"there is no recipe {str(path)!r}", hint=f"give a {RECIPE_FILE}, or its folder"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RecipeError(f"{str(file)!r} is not YAML", found=str(error)) from error
    recipe = recipe_in(content, str(file))
    if recipe.alignment:
        beside = str(file.parent / recipe.alignment)
        recipe = recipe.model_copy(update={"alignment": beside})
    return recipe


def recipe_in(content: Any, file: str = "the recipe") -> Recipe:
    """The recipe that a file's YAML holds. Raises: RecipeError, in the words of such a file."""
    if not isinstance(content, dict):
        raise RecipeError(
            f"{file} is no recipe",
            found=f"a {type(content).__name__}",
            hint=f"a {RECIPE_FILE}, as lies beside every merge",
        )
    return Recipe.model_validate(content, context=file)
