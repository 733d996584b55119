"""Types of fields that take objects in memory and hold names: for type checkers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hubmerge.recipe.data import DataRecipe
    from hubmerge.utils.in_memory import DataObject, Loaded, Loader, ModelObject

    class Models:
        """The type of `Recipe.models`: objects may be given, names are held."""

        def __get__(self, recipe: object, kind: type | None = None) -> tuple[str, ...]: ...
        def __set__(
            self, recipe: object, given: Sequence[str | Path | ModelObject | Loaded]
        ) -> None: ...

    class Base:
        """The type of `Recipe.base`."""

        def __get__(self, recipe: object, kind: type | None = None) -> str | None: ...
        def __set__(
            self, recipe: object, given: str | Path | ModelObject | Loaded | None
        ) -> None: ...

    class Dataset:
        """The type of `Recipe.dataset`: an id or an object may be given."""

        def __get__(self, recipe: object, kind: type | None = None) -> DataRecipe | None: ...
        def __set__(
            self,
            recipe: object,
            given: DataRecipe
            | str
            | Path
            | DataObject
            | Loader
            | Mapping[str, object]
            | Sequence[object]
            | None,
        ) -> None: ...
