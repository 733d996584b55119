"""What the row of one token is made of."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from hubmerge.recipe.part import RecipePart

ZERO = "zero"


class TokenRow(RecipePart):
    """The row of one token, for models that lack it.

    of: the model whose row it is, by its letter or "base", or "zero". token, token_id: which of
    that model's tokens; by default the same. force: whether models that have the token get it too.
    """

    noun: ClassVar[str] = "a token's row"
    example: ClassVar[str] = 'of="B"'

    of: Annotated[str, Field(pattern=r"^(zero|base|[A-Z])$")]
    token: str | None = None
    token_id: Annotated[int, Field(ge=0)] | None = None
    force: bool = False
