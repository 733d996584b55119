"""Recipes that are written for mergekit."""

from hubmerge.recipe.mergekit.translate import is_mergekits, recipe_of

__all__ = ["is_mergekits", "recipe_of"]
