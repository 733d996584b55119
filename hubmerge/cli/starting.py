"""How a command that works on a recipe's models begins."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from hubmerge.recipe import Recipe
from hubmerge.utils.importing import without_collecting


@contextmanager
def starting(recipe: Recipe) -> Iterator[None]:
    """Inside, a command imports what it works with, while the recipe's folders are hashed."""
    from hubmerge.hub.source import hash_ahead

    if os.environ.get("RANK", "0") == "0":  # the process that resolves what models are
        hash_ahead([*recipe.models, *filter(None, [recipe.base])])
    with without_collecting():
        yield
