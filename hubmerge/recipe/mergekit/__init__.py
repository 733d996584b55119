"""Recipes that are written for mergekit."""

from hubmerge.recipe.mergekit.documents import recipe_of
from hubmerge.recipe.mergekit.kinds import is_mergekits, is_of_experts

__all__ = ["is_mergekits", "is_of_experts", "recipe_of"]
