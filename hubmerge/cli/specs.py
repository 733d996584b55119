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
    """Name every spec: reviewed, derived on this machine, or refused there, and for what."""
    import json as jsonlib

    from hubmerge.specs.derived import all_records
    from hubmerge.specs.family import load_families
    from hubmerge.utils.tables import columns

    families = load_families().families.values()
    derived = [record for record in all_records() if record.refused is None]
    refused = [record for record in all_records() if record.refused is not None]
    if json:
        reviewed = {family.name: family.match for family in families}
        others = {
            record.name: {"spec": record.summary if r is None else f"refused: {r}"}
            for record in (*refused, *derived)
            for r in [record.refused]
        }
        o.say(jsonlib.dumps({**others, **reviewed}, indent=2))
        return
    rows = [
        (f.name, "reviewed", ", ".join(f"{field} = {value}" for field, value in f.match.items()))
        for f in families
    ]
    rows += [(r.name, "derived", r.summary.removeprefix("derived, ")) for r in derived]
    rows += [(r.name, "refused", str(r.refused)) for r in refused]
    o.say(columns(list(dict.fromkeys(rows))))


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
