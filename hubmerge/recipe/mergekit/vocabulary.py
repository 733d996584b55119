"""mergekit's tokenizer and chat template as the fields of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hubmerge.errors.wording import quoted
from hubmerge.recipe.mergekit.document import Document
from hubmerge.recipe.words import AUTO, UNION
from hubmerge.utils.untrusted_yaml import Place

TOKENIZER, SOURCE, TEMPLATE = "tokenizer", "tokenizer_source", "chat_template"
KEYS = (SOURCE, TOKENIZER, TEMPLATE)
"""What a document may say of them."""
TOKEN_KEYS = ("source", "force")
ZERO, MODEL_TOKEN = "zero", "model_token"
"""Kinds of what a token's row may be made of, beside a model by its name."""


def vocabulary(document: Document, names: Mapping[str, str]) -> dict[str, Any]:
    """The fields `tokenizer`, `tokens` and `chat_template`.

    names: what a document calls a model -> its letter, or "base"; "base" among them.
    Raises: RecipeError.
    """
    content, place = document.content, (SOURCE,)
    given, tokens = content.get(SOURCE), dict[str, Any]()
    if TOKENIZER in content:
        place = (TOKENIZER,)
        document.check_keys(place, content[TOKENIZER], ("source", "tokens"))
        given = content[TOKENIZER].get("source")
        tokens = content[TOKENIZER].get("tokens") or {}
    fields: dict[str, Any] = {}
    if given is not None:
        fields["tokenizer"] = UNION if given == UNION else _model(document, given, place, names)
    if not isinstance(tokens, dict):
        raise document.refused((*place, "tokens"), "tokens are names with values")
    if tokens:
        fields.setdefault("tokenizer", UNION)
        fields["tokens"] = {
            str(token): _row(document, said, (*place, "tokens", str(token)), names)
            for token, said in tokens.items()
        }
    if (template := content.get(TEMPLATE)) is not None:
        if not isinstance(template, str) or not (template == AUTO or "{" in template):
            raise document.refused(
                (TEMPLATE,),
                f"chat_template {quoted(str(template))} is not taken",
                hint="auto, or the template itself",
            )
        fields["chat_template"] = template
    return fields


def _model(document: Document, given: Any, place: Place, names: Mapping[str, str]) -> str:
    if given not in names:
        raise document.refused(
            place,
            f"tokenizer source {quoted(str(given))} is not taken",
            found=f"taken are {', '.join((UNION, *names))}",
        )
    return names[given]


def _row(document: Document, said: Any, place: Place, names: Mapping[str, str]) -> dict[str, Any]:
    """What the row of one token is made of."""
    document.check_keys(place, said, TOKEN_KEYS)
    source, row = said.get("source"), dict[str, Any]()
    if isinstance(source, dict):
        here = (*place, "source")
        document.check_keys(here, source, ("kind", "model", "token", "token_id"))
        if source.get("kind") == ZERO:
            row["of"] = ZERO
        elif source.get("kind") == MODEL_TOKEN:
            row["of"] = _model(document, source.get("model"), here, names)
            row |= {key: source[key] for key in ("token", "token_id") if key in source}
        else:
            raise document.refused(
                here,
                f"kind {quoted(str(source.get('kind')))} is not taken",
                found=f"taken are {ZERO}, {MODEL_TOKEN}",
            )
    else:
        row["of"] = _model(document, source, (*place, "source"), names)
    if document.truth(said.get("force", False), (*place, "force")):
        row["force"] = True
    return row
