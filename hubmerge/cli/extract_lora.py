"""hubmerge extract-lora: what a model differs from its base by, as an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Json, Quiet

NAME = "extract-lora"


def command(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A model's Hub id, id@revision or folder.")
    ],
    base: Annotated[str, typer.Option("--base", help="The model it was made from.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The folder to write.")],
    rank: Annotated[int, typer.Option("--rank", help="Rank of every matrix.")] = 32,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Write what a model differs from its base by as a LoRA for PEFT; say what it misses."""
    o.settle(quiet=quiet, json=json)

    from hubmerge.pipeline.extract_adapter import extract_adapter, render

    with o.working():
        found = extract_adapter(model, base, rank, out)
    o.say(found.model_dump_json(indent=2) if json else render(found))
