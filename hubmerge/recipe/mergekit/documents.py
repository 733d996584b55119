"""A file written for mergekit -> the fields of a recipe: its last merge, others as stages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hubmerge.recipe.mergekit.document import Document
from hubmerge.recipe.mergekit.translate import merge_of
from hubmerge.recipe.stages import NAME, STAGES
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.untrusted_yaml import Lines


def recipe_of(documents: Sequence[tuple[Any, Lines]], file: str) -> dict[str, Any]:
    """The fields of a recipe for what a file says.

    Raises: RecipeError, for what it says that cannot be done here.
    """
    found = [Document(content, lines, file) for content, lines in documents if content is not None]
    *earlier, last = found or [Document(None, {}, file)]
    stages: dict[str, Any] = {}
    for document in earlier:
        fields = merge_of(document)
        name = _name(document, stages)
        stages |= _inner(fields, name)
        stages[name] = fields
    fields = merge_of(last)
    stages |= fields.get(STAGES, {})
    return {**fields, STAGES: stages} if stages else fields


def _inner(fields: dict[str, Any], name: str) -> dict[str, Any]:
    """Stages of a stage, as stages of the file: "first/slice-1"."""
    inner = fields.pop(STAGES, {})
    given = ((ref, parse_model_ref(ref).base) for ref in fields["models"])
    fields["models"] = tuple(f"{name}/{ref}" if base in inner else ref for ref, base in given)
    return {f"{name}/{each}": stage for each, stage in inner.items()}


def _name(document: Document, taken: dict[str, Any]) -> str:
    name = document.content.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise document.refused(
            ("name",) if "name" in document.content else (),
            "a merge that others follow needs a name, by which they take it as a model",
            found=repr(name),
            hint="letters, digits, -, _, . and /",
        )
    if name in taken:
        raise document.refused(("name",), f"two merges are named {name!r}")
    return name
