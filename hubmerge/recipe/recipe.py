"""A recipe: its fields, and that they fit together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

import yaml
from pydantic import ValidationError, ValidationInfo, model_validator

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import YAML
from hubmerge.recipe.fields import RecipeFields
from hubmerge.recipe.part import make
from hubmerge.recipe.words import AUTO, MIDDLE, SAME
from hubmerge.utils.problems import refusal


class Recipe(RecipeFields):
    """Two models or more in, one merge out. The same recipe gives the same bytes."""

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
