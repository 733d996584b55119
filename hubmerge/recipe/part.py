"""The class that everything in a recipe is an instance of, and how one is made of its fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import YAML, option
from hubmerge.options.declared import DIAGNOSE, MATCH, SURVEY, options_of, parameters_text
from hubmerge.utils.problems import Contradiction, contradicted, refusal

EVERYWHERE = (MATCH, DIAGNOSE, SURVEY)
MATCHING = (MATCH, SURVEY)

_inside: ContextVar[bool] = ContextVar("inside", default=False)
"""Whether a part is read as a field of another, which words what is wrong with it."""


@contextmanager
def on_its_own() -> Iterator[None]:
    """Inside, a part is read for itself, and words what is wrong with it."""
    token = _inside.set(False)
    try:
        yield
    finally:
        _inside.reset(token)


class RecipePart(BaseModel):
    """Base: immutable, no unknown fields; its options are described in its docstring.

    What pydantic finds wrong is raised as a RecipeError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    noun: ClassVar[str] = "what was given"
    """What messages call it."""
    example: ClassVar[str] = "NAME=..."
    """Its fields as they are given in Python."""

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        said = inspect.cleandoc(cls.__doc__ or cls.__base__.__doc__ or "")  # type: ignore[union-attr]
        options = {k: v for k, v in options_of(cls).items() if "." not in k}
        cls.__doc__ = f"{said.partition('Parameters:')[0].strip()}\n\n{parameters_text(options)}"

    if not TYPE_CHECKING:

        def __new__(cls, *unnamed: Any, **fields: Any) -> Self:
            """Refuses what pydantic would raise a TypeError for."""
            if unnamed:
                raise RecipeError(
                    f"the fields of {cls.noun} are given by name",
                    found=", ".join(map(repr, unnamed))[:200],
                    hint=f"{cls.__name__}({cls.example})",
                    field=next(iter(cls.model_fields), None),
                )
            return super().__new__(cls)

        def __setattr__(self, name: str, value: Any) -> None:
            raise self._unchangeable(name)

        def __delattr__(self, name: str) -> None:
            raise self._unchangeable(name)

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        """The fields that differ from their defaults."""
        fields = type(self).model_fields
        for name, value in super().__repr_args__():
            if name not in fields or value != fields[name].get_default(call_default_factory=True):
                yield name, value

    def replace(self, **changes: Any) -> Self:
        """The same with other values of some fields, checked anew. Raises: RecipeError."""
        given = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**given, **changes})

    def _unchangeable(self, name: str) -> RecipeError:
        field = name if name in type(self).model_fields else None
        return RecipeError(
            f"{self.noun} cannot be changed once it is made",
            found=f"an assignment to {option(field) if field else repr(name)}",
            hint=f".replace({name}=...) makes another",
            field=field,
        )

    @field_validator("*", mode="before")
    @classmethod
    def _no_truth_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """true is 1 to Python, and a mistake to everyone else."""
        values = value if isinstance(value, list | tuple) else [value]
        if any(isinstance(each, bool) for each in values):
            assert info.field_name is not None
            if not _takes_truth(cls.model_fields[info.field_name].annotation):
                raise PydanticCustomError("truth", "true and false are no values of it")
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _refused(cls, given: Any, read: Callable[[Any], Self], info: ValidationInfo) -> Self:
        """Turns what pydantic finds into a RecipeError. The context is the file that was read."""
        if _inside.get():
            return read(given)
        token = _inside.set(True)
        what, wording = info.context or cls.noun, None if info.context is None else YAML
        try:
            made = read(given)
            made._settle()
            return made
        except ValidationError as error:
            raise refusal(error, cls, what, wording) from None
        except Contradiction as error:
            raise contradicted(error, what, wording) from None
        finally:
            _inside.reset(token)

    def _settle(self) -> None:
        """Checks that the fields fit together, and settles what follows from others.

        Raises: Contradiction.
        """


def _takes_truth(kind: Any) -> bool:
    """Whether a value of this type may be, or hold, true or false."""
    return kind in (bool, Any) or any(_takes_truth(part) for part in get_args(kind))


P = TypeVar("P", bound=RecipePart)


def make(kind: type[P], fields: dict[str, Any]) -> P:
    """Options of one kind from its fields. Raises: RecipeError that names the field."""
    return kind(**fields)
