"""Where a result goes, which changes nothing about what it is."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.options.declared import MATCH, PUSH, SURVEY, TARGET, Option
from hubmerge.utils.checked_calls import checked


@checked
@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where the result goes. None of this changes what it is."""

    out: Annotated[
        Path | None,
        Option(
            "Folder to write; must not exist. Default: the parents' names, here.",
            group=TARGET,
            flags="-o --out",
            top=True,
            also=(MATCH, SURVEY),
        ),
    ] = None
    push: Annotated[
        str | None, Option("Publish to this repository.", group=TARGET, metavar="ID", top=True)
    ] = None
    private: Annotated[
        bool | None,
        Option(
            "Visibility. Default: what the licences ask for.",
            group=TARGET,
            flags="--private/--public",
            also=(PUSH,),
        ),
    ] = None
    create_pr: Annotated[
        bool,
        Option("Open a pull request in a repository that exists.", group=TARGET, also=(PUSH,)),
    ] = False
    revision: Annotated[str | None, Option("Branch to publish to.", group=TARGET, also=(PUSH,))] = (
        None
    )
    exist_ok: Annotated[
        bool, Option("Add a commit to a repository that exists.", group=TARGET, also=(PUSH,))
    ] = False

    def __post_init__(self) -> None:
        if self.out is not None:
            with suppress(RuntimeError):  # there is no such user: refused as a name of a folder
                object.__setattr__(self, "out", self.out.expanduser())


def where(destination: Destination | None, out: str | Path | None, push: str | None) -> Destination:
    """The destination that is given whole, or by two of its fields. Raises: RecipeError."""
    if destination is None:
        return Destination(out=None if out is None else Path(out), push=push)
    if out is not None or push is not None:
        fields = tuple(name for name, given in (("out", out), ("push", push)) if given is not None)
        raise RecipeError(
            f"a destination and {' and '.join(map(option, fields))} were both given",
            hint="give them to the destination",
            field=fields[0],
            fields=fields,
        )
    return destination
