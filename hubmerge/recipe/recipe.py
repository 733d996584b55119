"""A recipe: its fields, and that they fit together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import yaml
from pydantic import Field, ValidationInfo, field_validator, model_validator

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.contradictions import refuse_contradictions
from hubmerge.recipe.effort import BEST
from hubmerge.recipe.fields import RecipeFields
from hubmerge.recipe.part import on_its_own
from hubmerge.recipe.stages import check_stages
from hubmerge.recipe.trials import trials_of, weighs_given
from hubmerge.recipe.words import AUTO, MIDDLE
from hubmerge.utils.examples import are_examples, is_loader, rows_of
from hubmerge.utils.in_memory import is_dataset, is_model, stored_dataset, stored_model
from hubmerge.utils.model_refs import folder_ref


class Recipe(RecipeFields):
    """Two models or more in, one merge out. The same recipe gives the same bytes."""

    noun: ClassVar[str] = "the recipe"
    example: ClassVar[str] = 'models=("ORG/A", "ORG/B"), ...'

    if TYPE_CHECKING:
        stages: Mapping[str, Recipe] = {}
    else:
        stages: Annotated[
            dict[str, Any],
            Option(
                "Merges that are made before it, by name: models of later ones, and of the merge "
                "itself, may be these names.",
                group=MODELS,
                flags="",
                label="",
                see="recipe.md#stages",
            ),
        ] = Field(default_factory=dict)

    @field_validator("stages", mode="after")
    @classmethod
    def _read_stages(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Recipe]:
        """Stages are recipes, and refused in their own words."""
        found = {}
        for name, stage in given.items():
            if isinstance(stage, Recipe):
                found[name] = stage
                continue
            of = info.context or cls.noun
            with on_its_own():
                found[name] = Recipe.model_validate(stage, context=f"stage {name!r} of {of}")
        return found

    @model_validator(mode="before")
    @classmethod
    def _by_reference(cls, given: Any, info: ValidationInfo) -> Any:
        """Takes `dataset="org/name"` for the data set of that id, and objects in memory; what a
        file says is no object."""
        if not isinstance(given, dict):
            return given
        taken = dict(given)
        if isinstance(given.get("models"), list | tuple):
            taken["models"] = tuple(map(model_ref, given["models"]))
        if given.get("base") is not None:
            taken["base"] = model_ref(given["base"])
        data = given.get("dataset")
        if isinstance(data, Path):
            data = folder_ref(data)
        if isinstance(data, str):
            taken["dataset"] = {"id": data}
        elif info.context is None:
            if are_examples(data) or is_loader(data):
                data = rows_of(data)
            if is_dataset(data):
                taken["dataset"] = {"id": str(stored_dataset(data))}
        return taken

    def _settle(self) -> None:
        check_stages(self.stages, self)
        refuse_contradictions(self)
        if self.weights is not None and len(self.models) == 2:
            # One recipe, however it is written: two weights are a lambda.
            self.__dict__.update(lam=self.weights[1], weights=None)
        fusions = trials_of(self).fuse
        if self.base is not None and self.fuse == AUTO and len(fusions) == 1:
            self.__dict__.update(fuse=fusions[0])

    @property
    def fuse_by_base(self) -> bool:
        """Whether the fusion was not named but chosen because there is a base."""
        return self.base is not None and self.fuse != AUTO and "fuse" not in self.model_fields_set

    def stated(self) -> dict[str, Any]:
        """What has to be said to make it again: what differs from the defaults, by name in YAML.

        A base changes the default fusion, so that the fusion is always said beside one; and effort
        best chooses the weights unless they are said. A result has its effort and what that was.
        """
        content = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        named = "fuse" in self.model_fields_set
        if named or (self.base is not None and self.fuse != AUTO):
            content["fuse"] = self.fuse
        if self.effort == BEST and len(self.models) == 2 and weighs_given(self):
            content["lambda"] = self.lam
        if self.trials is not None:
            content |= {"effort": self.effort, "trials": self.trials.stated()}
        if self.stages:
            stages = {name: stage.stated() for name, stage in self.stages.items()}
            content = {"stages": stages, **{n: v for n, v in content.items() if n != "stages"}}
        return content

    @property
    def full_path(self) -> bool:
        """Whether paths are looked at closely."""
        return self.path == "full" or self.path_points is not None

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
        content = self.stated()
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def model_ref(given: object) -> Any:
    """What a recipe calls a model: a path by what no id can be, one that is loaded by where it is
    from, an object by a folder in which it is stored, as one that was changed since it was loaded;
    anything else is left to be checked."""
    if isinstance(given, Path):
        return folder_ref(given)
    source = getattr(given, "source", None)
    if source is not None and hasattr(source, "ref"):
        loaded: Any = given
        if not getattr(given, "changed", False):
            return source.ref
        return str(stored_model(loaded.model, loaded.processor, loaded.tokenizer))
    return str(stored_model(given)) if is_model(given) else given


def make_recipe(**fields: Any) -> Recipe:
    """A recipe from its fields. Raises RecipeError that names the field."""
    return Recipe(**fields)
