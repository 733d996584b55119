"""hubmerge push: publish a merge that is already made."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from hubmerge.cli import options as o
from hubmerge.cli.command import command as made
from hubmerge.hub.destination import Destination
from hubmerge.options.declared import PUSH, TARGET, Option

NAME = "push"


@dataclass(frozen=True, kw_only=True)
class Pushed:
    """What is published, and where."""

    folder: Annotated[
        Path,
        Option("What `hubmerge merge -o` wrote.", group=TARGET, metavar="FOLDER", positional=True),
    ]
    repo: Annotated[
        str, Option("Repository to publish to.", group=TARGET, metavar="ID", positional=True)
    ]


def _push(pushed: Pushed, destination: Destination, output: o.Output) -> None:
    """Upload a merged folder in one commit; pushing the same again does nothing."""
    from hubmerge.pipeline.publish import publish_folder

    destination = dataclasses.replace(destination, push=pushed.repo)
    with o.working():
        published = publish_folder(pushed.folder, destination)
    if output.json:
        o.say(json.dumps(dataclasses.asdict(published), indent=2))
        return
    o.say(f"published  {published.pr_url or published.url}")
    if not published.changed:
        o.say("           it stood there already: nothing was uploaded")


command = made(_push, Pushed, Destination, o.Output, takes=(PUSH,))
