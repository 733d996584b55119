"""One row of the table of bad input: what is given, and what must become of it.

Whatever is refused leaves everything as it was: no folder, no repository, no commit. What can be
known without the weights is refused by `plan` as well, and before anything heavy is downloaded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from transformers import PreTrainedModel

from hubmerge.errors import HubmergeError
from hubmerge.localhub import EmbeddedHub
from hubmerge.models.probe import shaken
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine, Mount


@dataclass
class Kit:
    """What rows of the table are made from."""

    hub: EmbeddedHub
    tmp: Path
    repo: str
    """Unused name of a repository; free to add to."""
    out: Path
    """Where the merge is to go."""
    token: str | None = None
    """Who asks; None is the Hub's owner."""
    push: str | None = None
    """Where it is to be pushed; None is `repo`."""
    mounts: tuple[Mount, ...] = ()

    def model(self, name: str, family: str = "vit", **changes: Any) -> Path:
        """A model as trained parents are, but for `changes` of its configuration."""
        return self.save(name, zoo.BUILDERS[family](zoo.labelled(), **changes), family)

    def named(self, name: str, labels: list[str]) -> Path:
        """A model of other classes."""
        return self.save(name, zoo.vit(zoo.labelled(labels)), "vit")

    def processed(self, name: str, **changes: Any) -> Path:
        """A model whose processor differs."""
        return self.save(name, zoo.vit(zoo.labelled()), "vit", **changes)

    def save(self, name: str, model: PreTrainedModel, family: str, **changes: Any) -> Path:
        """`model` in a folder."""
        return zoo.write_model(self.tmp / name, shaken(model), family, **changes)

    def copy(self, source: Path, name: str) -> Path:
        """A folder to spoil."""
        target = self.tmp / name
        target.mkdir()
        for path in source.iterdir():
            (target / path.name).write_bytes(path.read_bytes())
        return target

    def pushed(self, folder: Path, kind: str = "model", **options: Any) -> str:
        """The folder on the Hub; its id."""
        return zoo.push(self.hub, f"{self.repo}-{folder.name}", folder, kind, **options)

    def rewrite(self, folder: Path, file: str, **changes: Any) -> Path:
        """Other fields in a JSON file."""
        fields = json.loads((folder / file).read_text())
        (folder / file).write_text(json.dumps(fields | changes))
        return folder


Known = Literal["plan", "merge", "late"]
Arguments = Callable[[Kit], list[Any]]


@dataclass(frozen=True)
class Row:
    """arguments: of `merge`; quoted: what the message must say.

    known: "plan": `plan` refuses it too; "merge": only `merge` has such an option, and refuses
    before it downloads weights; "late": it cannot be known before the weights or the data are here.
    """

    name: str
    error: type[HubmergeError]
    quoted: tuple[str, ...]
    arguments: Arguments
    known: Known = "plan"


def table(*rows: Row) -> pytest.MarkDecorator:
    """One test per row, named after it."""
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


def check(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    """Refused, by every command that can know, and nothing has changed."""
    given = row.arguments(kit)
    where = ["--push", kit.push or kit.repo, "-o", kit.out]
    before = repositories(kit.hub), files(kit.out.parent)
    cache = kit.tmp / "cache"
    for command in ("plan", "merge") if row.known == "plan" else ("merge",):
        done = hubmerge(
            command,
            *given,
            *where,
            token=kit.token,
            env={"HF_HUB_CACHE": str(cache)},
            mounts=kit.mounts,
            cwd=kit.tmp,
        )
        done.refused(row.error, *row.quoted)
        assert (repositories(kit.hub), files(kit.out.parent)) == before
        if row.known != "late":
            assert not list(cache.rglob("*.safetensors"))


def files(folder: Path) -> dict[str, int]:
    """Everything beside and below the target, hidden files as well, and when it was changed."""
    if not folder.is_dir():
        return {}
    return {str(path): path.lstat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def repositories(hub: EmbeddedHub) -> dict[str, bytes]:
    """Every repository with its branches, pull requests and settings, as the Hub keeps them."""
    states = sorted((hub.root / "repos").rglob("state.json"))
    return {str(path.relative_to(hub.root)): path.read_bytes() for path in states}
