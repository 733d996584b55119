"""Fields that hold the name of a method."""

from __future__ import annotations

from pydantic import AfterValidator

from hubmerge.registry import registry


def named_in(name: str) -> AfterValidator:
    """Takes a method by any of its names in this registry for the one it is registered under.

    Raises: RecipeError, with the nearest names, for a method that is not registered.
    """

    return AfterValidator(lambda given: registry(name).named(given))
