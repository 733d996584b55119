"""hubmerge specs: the families there are, what they say, whether it is true; specs derived."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o
from hubmerge.cli.command import Json, Seed, TrustRemoteCode

app = typer.Typer(no_args_is_help=True, help="The families hubmerge can match.")


@app.callback()
def specs() -> None:
    """The families hubmerge can match."""


@app.command("list")
def list_families(json: Json = False) -> None:
    """Name every family, reviewed or derived on this machine, and the models it is for."""
    import json as jsonlib

    from hubmerge.specs.derived import all_records
    from hubmerge.specs.family import load_families
    from hubmerge.utils.tables import columns

    families = load_families().families.values()
    derived = {
        record.name: record.summary if record.refused is None else f"refused: {record.refused}"
        for record in all_records()
    }
    if json:
        reviewed = {family.name: family.match for family in families}
        o.say(jsonlib.dumps({**reviewed, **{n: {"spec": s} for n, s in derived.items()}}, indent=2))
        return
    rows = [
        (family.name, ", ".join(f"{field} = {value}" for field, value in family.match.items()))
        for family in families
    ]
    o.say(columns([*rows, *derived.items()]))


@app.command()
def show(family: Annotated[str, typer.Argument(help="A name from `specs list`.")]) -> None:
    """Print a family's spec file."""
    from hubmerge.specs.family import load_families

    o.say(load_families().named(family).text.rstrip())


@app.command()
def derive(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A Hub id or folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write it to this file.")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    seed: Seed = 0,
) -> None:
    """Write a spec by tracing one forward, and certify it in float64; needs no weights."""
    o.settle(quiet=True, json=False)

    from hubmerge.pipeline.derive_spec import derive_spec

    found = derive_spec(model, out, trust_remote_code=trust_remote_code, seed=seed)
    o.say(f"{out}: {found.summary}" if out else found.family.text.rstrip())


@app.command()
def check(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A Hub id or folder.")],
    config_only: Annotated[
        bool, typer.Option("--config-only", help="Build it from config.json, without its weights.")
    ] = False,
    trust_remote_code: TrustRemoteCode = False,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Prove in float64 that the spec's free spaces leave this model's outputs alone."""
    o.settle(quiet=json, json=json)

    from hubmerge.pipeline.check_spec import check_model, proof_json, proof_text

    proof = check_model(
        model, config_only=config_only, trust_remote_code=trust_remote_code, seed=seed
    )
    o.say(proof_json(proof) if json else proof_text(proof, model))
