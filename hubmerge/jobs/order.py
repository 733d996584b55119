"""What a job is asked to do, as the file from which it reads it."""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from hubmerge.errors import RecipeError
from hubmerge.hub.destination import Destination
from hubmerge.utils.untrusted import Unreadable, parse_json

Command = Literal["merge", "match", "verify"]
ORDER = "job.json"
MOST = 1_000_000
"""Bytes of an order."""
HEX = 32
"""Characters of the name of an order."""


class Order(BaseModel):
    """One command of hubmerge's, to be carried out in a job.

    Parameters:
        hubmerge: the version that asks; wheel: the sha256 of its wheel.
        home: the data set in which the order lies, and where its outcome goes.
        recipe: hash of all that decides the bytes of the merge; None where there is no recipe.
        merge, level, weights_only: of verify.
        push, private, create_pr, revision, exist_ok: as in a `Destination`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    command: Command
    hubmerge: str
    wheel: str
    home: str
    recipe: str | None = None
    merge: str | None = None
    level: Literal["load", "measure", "remake", "all"] = "all"
    weights_only: bool = False
    push: str | None = None
    private: bool | None = None
    create_pr: bool = False
    revision: str | None = None
    exist_ok: bool = False
    trust_remote_code: bool = False
    json_output: bool = False

    @property
    def key(self) -> str:
        """Its name: the same order has the same, so that its job is found again."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:HEX]

    @property
    def place(self) -> str:
        """Its folder in the data set."""
        return f"jobs/{self.key}"


def to_publish(destination: Destination) -> dict[str, str | bool | None]:
    """The fields of an order that say where a merge is published."""
    names = ("push", "private", "create_pr", "revision", "exist_ok")
    return {name: getattr(destination, name) for name in names}


def read_order(text: str) -> Order:
    """The order in a file. Raises: RecipeError."""
    try:
        return Order.model_validate(parse_json(text))
    except (Unreadable, ValidationError) as error:
        raise RecipeError(f"{ORDER} is no order of hubmerge's", found=str(error)[:500]) from error
