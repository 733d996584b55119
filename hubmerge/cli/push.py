"""hubmerge push: publish a merge that is already made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hubmerge.cli import options as o

NAME = "push"


def command(
    folder: Annotated[Path, typer.Argument(help="What `hubmerge merge -o` wrote.")],
    repo: Annotated[str, typer.Argument(metavar="ID", help="Repository to publish to.")],
    private: o.Private = None,
    create_pr: o.CreatePr = False,
    revision: o.Revision = None,
    exist_ok: o.ExistOk = False,
    json: o.Json = False,
    quiet: o.Quiet = False,
) -> None:
    """Upload a merged folder in one commit; pushing the same again does nothing."""
    o.settle(quiet=quiet, json=json)

    import dataclasses
    import json as jsonlib

    from hubmerge.pipeline.publish import publish_folder

    destination = o.destination_of(None, repo, private, create_pr, revision, exist_ok)
    published = publish_folder(folder, destination)
    if json:
        o.say(jsonlib.dumps(dataclasses.asdict(published), indent=2))
        return
    o.say(f"published  {published.pr_url or published.url}")
    if not published.changed:
        o.say("           it stood there already: nothing was uploaded")
