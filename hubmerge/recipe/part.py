"""The class that everything in a recipe is an instance of, and how one is made of its fields."""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from hubmerge.options.declared import DIAGNOSE, MATCH, SURVEY, options_of, parameters_text
from hubmerge.utils.problems import refusal

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


def make(kind: type[P], fields: dict[str, Any]) -> P:
    """Options of one kind from its fields. Raises: RecipeError that names the field."""
    try:
        return kind(**fields)
    except ValidationError as error:
        raise refusal(error, kind, "what was given") from None
