"""Which tokens the merge knows, and what their rows are made of."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from hubmerge.options.declared import MODELS, Option
from hubmerge.recipe.part import RecipePart
from hubmerge.recipe.tokens import TokenRow
from hubmerge.recipe.words import TEMPLATE_CHARACTERS


class VocabularyFields(RecipePart):
    """Which tokens the merge knows, and what their rows are made of."""

    tokenizer: Annotated[
        str | None,
        Field(pattern=r"^(union|base|[A-Z])$"),
        Option(
            "Whose vocabulary the merge has, where the parents' differ: rows of embeddings and "
            "heads are brought together by token. Default: models of other vocabularies are "
            "refused.",
            group=MODELS,
            choices={
                "union": "every token of any parent, A's first",
                "base": "the common base's",
                "A": "A's; or the letter of another parent",
            },
            label="",
            see="vocabularies.md",
        ),
    ] = None
    tokens: Annotated[
        dict[str, TokenRow],
        Option(
            "What the rows of single tokens are made of, where models lack them: of, token, "
            "token_id, force.",
            group=MODELS,
            flags="",
            label="",
            see="vocabularies.md",
        ),
    ] = Field(default_factory=dict)
    chat_template: Annotated[
        str | None,
        Field(max_length=TEMPLATE_CHARACTERS),
        Option(
            "Whose chat template the merge has: a parent's letter, base, or the template itself. "
            "Default: that of the model whose vocabulary it has, else the first there is.",
            group=MODELS,
            choices={"auto": "what most parents have"},
            label="",
            see="vocabularies.md",
        ),
    ] = None
