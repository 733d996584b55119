"""Recipes that are written for mergekit."""

from hubmerge.recipe.mergekit.documents import recipe_of
from hubmerge.recipe.mergekit.translate import is_mergekits

__all__ = ["is_mergekits", "recipe_of"]
