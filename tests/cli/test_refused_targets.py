"""The table of bad input: targets that cannot be written, machines that are too small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hubmerge.errors import (
    AccessError,
    NotFoundError,
    RecipeError,
    ResourceError,
    TargetError,
)
from tests.helpers.command_line import CommandLine, Mount
from tests.helpers.refusals import Arguments, Kit, Row, check, table

MODELS = ["me/mlp-a", "me/mlp-b"]


def out(name: str, content: str | None = None) -> Arguments:
    """A target that is there already: a file, or a folder with a file in it."""

    def make(kit: Kit) -> list[Any]:
        kit.out = kit.tmp / "place" / name
        kit.out.parent.mkdir(exist_ok=True)
        if content is None:
            kit.out.mkdir()
            (kit.out / "mine.txt").write_text("precious")
        else:
            kit.out.write_text(content)
        return MODELS

    return make


def under_a_file(kit: Kit) -> list[Any]:
    (kit.tmp / "place" / "file").write_text("precious")
    kit.out = kit.tmp / "place" / "file" / "out"
    return MODELS


def dangling(kit: Kit) -> list[Any]:
    kit.out.symlink_to(kit.tmp / "nowhere")
    return MODELS


def disk(options: str) -> Arguments:
    """The target lies on a disk of its own."""

    def make(kit: Kit) -> list[Any]:
        kit.mounts = (Mount(kit.out.parent, options=options),)
        return MODELS

    return make


def little_memory(kit: Kit) -> list[Any]:
    table = kit.tmp / "meminfo"
    lines = [
        f"MemAvailable: {100 << 10} kB" if line.startswith("MemAvailable") else line
        for line in Path("/proc/meminfo").read_text().splitlines()
    ]
    table.write_text("\n".join(lines) + "\n")
    kit.mounts = (Mount(Path("/proc/meminfo"), str(table), "bind"),)
    return MODELS


def small_cache(kit: Kit) -> list[Any]:
    cache = kit.tmp / "cache"
    cache.mkdir()
    kit.mounts = (Mount(cache, options="size=32k"),)
    return MODELS


@table(
    Row("folder with files", TargetError, ("exists already", "name another"), out("full")),
    Row("file", TargetError, ("exists already",), out("file", "precious")),
    Row("link to nowhere", TargetError, ("exists already",), dangling),
    Row("below a file", TargetError, ("cannot be written", "no folder"), under_a_file),
    Row("read-only disk", TargetError, ("cannot be written", "not writable"), disk("ro")),
    Row("no disk space", ResourceError, ("not enough disk space", "free"), disk("size=16k")),
    Row("no disk space for downloads", ResourceError, ("HF_HUB_CACHE",), small_cache),
    Row("no memory", ResourceError, ("not enough memory", "105 MB free"), little_memory),
)
def test_places_that_cannot_take_it(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


def to(repo: str, *options: Any, role: str | None = None) -> Arguments:
    """Pushed to this repository, by a guest of that role ("": nobody; None: the Hub's owner)."""

    def make(kit: Kit) -> list[Any]:
        kit.push = repo.replace("REPO", kit.repo)
        if role is not None:
            kit.token = kit.hub.add_user(f"guest-{role}", role) if role else ""
        return [*MODELS, *options]

    return make


def existing(*options: Any, **settings: Any) -> Arguments:
    """Pushed to a repository that holds something."""

    def make(kit: Kit) -> list[Any]:
        folder = kit.tmp / "theirs"
        folder.mkdir()
        (folder / "notes.txt").write_text("precious")
        kit.push = kit.pushed(folder, **settings)
        return [*MODELS, *options]

    return make


@table(
    Row("existing", TargetError, ("exists already", "--create-pr", "--exist-ok"), existing()),
    Row(
        "public, for what is private",
        TargetError,
        ("is public", "--public"),
        existing("--exist-ok", "--private"),
    ),
    Row("no token", AccessError, ("needs a token", "hf auth login"), to("REPO", role="")),
    Row(
        "another's account",
        AccessError,
        ("guest-write", "--push guest-write/x"),
        to("me/x", role="write"),
    ),
    Row(
        "a token that only reads",
        AccessError,
        ("may only read",),
        to("guest-read/x", role="read"),
    ),
    Row(
        "a pull request to nothing",
        NotFoundError,
        ("pull request", "--create-pr"),
        to("REPO", "--create-pr"),
    ),
    Row(
        "a pull request to a branch",
        RecipeError,
        ("--create-pr", "--revision"),
        existing("--create-pr", "--revision", "trial"),
    ),
    Row("no account", RecipeError, ("names no account",), to("x")),
    Row("path trick", RecipeError, ("../x",), to("../x")),
    Row("deeper path trick", RecipeError, ("me/../x",), to("me/../x")),
    Row("markup", RecipeError, ("<b>",), to("me/<b>x</b>")),
    Row("revision trick", RecipeError, ("../main",), to("REPO", "--revision", "../main")),
)
def test_repositories_that_cannot_take_it(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


@pytest.mark.parametrize("size", ["64k", "100k", pytest.param("200k", marks=pytest.mark.slow)])
def test_a_disk_that_fills_up(hubmerge: CommandLine, kit: Kit, size: str) -> None:
    """Whichever file it is that does not fit: nothing stays."""
    done = hubmerge(
        "merge",
        *("me/resnet-a", "me/resnet-b", "--dataset", "me/digits", "--samples", 50, "-o", kit.out),
        mounts=(Mount(kit.out.parent, options=f"size={size}"),),
        cwd=kit.tmp,
    )
    done.refused(ResourceError, "disk space")


def test_a_repository_is_not_made_for_a_merge_that_fails(
    hubmerge: CommandLine, kit: Kit, parents: dict[str, dict]
) -> None:
    where = ("--push", kit.repo, "-o", kit.out)
    hubmerge("merge", *MODELS, "--dataset", "me/digits", "--label-column", "no", *where)
    assert not kit.hub.api().repo_exists(kit.repo)
