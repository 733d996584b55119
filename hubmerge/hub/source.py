"""Where a model or data set comes from: what the user typed, and the exact state it stands for.

    org/name   org/name@revision   https://HUB/org/name[/tree/revision]   ./folder   /a/folder
    org/name@COMMIT   name@local-HASH

As in transformers, a folder of that name goes before a repository of that name. The last two are
what recipes say that are written beside a merge: a commit is always of a repository, and a hash is
the content of a folder, wherever on this machine it was seen (`known_folders`).
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from huggingface_hub.utils import validate_repo_id

from hubmerge.errors import HubmergeError, NotFoundError, RecipeError
from hubmerge.errors.wording import option
from hubmerge.hub.client import NAMES, RepoType, ask, client, endpoint, translate
from hubmerge.hub.known_folders import known_folders
from hubmerge.hub.layout import CONFIG, model_files
from hubmerge.utils.in_memory import is_in_memory
from hubmerge.utils.pinned_refs import CONTENT, PINNED

PUBLIC_HUB = "https://huggingface.co"
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
_LOCAL_MARKS = ("/", "./", "../", "~")


@dataclass(frozen=True)
class Ref:
    """What the user typed, understood but not looked up."""

    ref: str
    """As typed."""
    id: str
    """Repository id, or the folder's name."""
    kind: Literal["hub", "local", "memory"]
    """"memory": an object of this process, stored in a temporary folder."""
    revision: str | None
    """As asked for; None for the main branch and for folders."""
    folder: Path | None
    """Absolute; local only."""
    repo_type: RepoType = "model"


@dataclass(frozen=True, kw_only=True)
class Source(Ref):
    """A `Ref` pinned to one state for good."""

    sha: str = ""
    """Commit of 40 hex digits; for a folder "local-" and 40 of the sha256 over what is loaded."""
    gated: bool = False
    """Its owners decide who may download it (and this caller may)."""
    private: bool = False


def parse_ref(ref: str, repo_type: RepoType = "model") -> Ref:
    """Understand `ref` without looking anything up but whether a folder of that name exists.

    Raises: RecipeError for what is no name (path tricks, markup, control characters, another
    Hub's address); NotFoundError for a path that is no folder.
    """
    name = NAMES[repo_type]
    if not ref or ref != ref.strip() or not ref.isprintable():
        raise RecipeError(f"{ref!r} is no name of a {name}", hint="ORG/NAME, or a folder: ./NAME")
    if content := CONTENT.fullmatch(ref):
        folder, *_ = _seen_in(ref, content["name"], content["sha"])
        return Ref(ref, content["name"], "local", None, folder, repo_type)
    if PINNED.fullmatch(ref):
        repo_id, _, commit = ref.partition("@")
        return Ref(ref, parse_repo_id(repo_id, repo_type), "hub", commit, None, repo_type)
    path = Path(ref).expanduser()
    if ref.startswith(_LOCAL_MARKS) or ref in (".", ".."):
        if not path.is_dir():
            raise NotFoundError(
                f"there is no folder {ref!r}",
                found="a file: give the folder it lies in" if path.exists() else None,
                hint="a repository on the Hub is written ORG/NAME",
            )
        return _local(ref, path, repo_type)
    if ".." not in path.parts and path.is_dir():
        return _local(ref, path, repo_type)
    repo_id, _, revision = _without_address(ref, repo_type).partition("@")
    parse_repo_id(repo_id, repo_type)
    if "@" in ref or revision:
        check_revision(revision, ref)
    return Ref(ref, repo_id, "hub", revision or None, None, repo_type)


def parse_repo_id(repo_id: str, repo_type: RepoType = "model") -> str:
    """`repo_id` itself: letters, digits, `-`, `_`, `.` and one `/`, as the Hub has it.

    Raises: RecipeError.
    """
    if not repo_id.isprintable():
        raise RecipeError(f"{repo_id!r} is no name of a {NAMES[repo_type]}", hint="ORG/NAME")
    with translate(repo_id, repo_type):
        validate_repo_id(repo_id)
    return repo_id


def check_revision(revision: str, ref: str) -> None:
    """Raises: RecipeError, unless `revision` can be a branch, tag or commit."""
    if not REVISION.fullmatch(revision) or ".." in revision or len(revision) > 255:
        raise RecipeError(
            f"{revision!r} is no revision",
            source=repr(ref),
            hint="a branch, a tag or a commit: ORG/NAME@v1.0",
        )


def resolve(ref: str, repo_type: RepoType = "model") -> Source:
    """Pin `ref` to the commit it stands for now, or to the content of the folder.

    Raises: as `parse_ref`; NotFoundError, AccessError (gated too), HubUnavailableError;
    WeightsError, if a model's folder holds no safetensors weights.
    """
    parsed = parse_ref(ref, repo_type)
    if content := CONTENT.fullmatch(ref):
        return _unchanged(parsed, content["name"], content["sha"])
    if parsed.folder is not None:
        sha = _local_sha(parsed.folder, ref, repo_type)
        return Source(**vars(parsed), sha=sha)

    def look() -> Source:
        info = client().repo_info(parsed.id, repo_type=repo_type, revision=parsed.revision)
        gated, private = bool(info.gated), bool(info.private)
        if gated:  # visible to all, downloadable by users with access
            client().auth_check(parsed.id, repo_type=repo_type)
        return Source(**vars(parsed), sha=str(info.sha), gated=gated, private=private)

    return ask(look, ref, repo_type)


def head_of(repo_id: str, repo_type: RepoType = "model") -> str:
    """The commit that the main branch of a repository is at. Raises: as `resolve`."""
    return ask(
        lambda: str(client().repo_info(repo_id, repo_type=repo_type).sha), repo_id, repo_type
    )


def _seen_in(ref: str, name: str, sha: str) -> list[Path]:
    """Folders that held this content. Raises: NotFoundError, if none is known and still there."""
    there = [folder for folder in known_folders(sha) if folder.is_dir()]
    if not there:
        raise NotFoundError(
            f"{name!r} is a folder that is not known on this machine",
            source=ref,
            hint=f"say where it lies: {option(f'folders.{name}', 'FOLDER')}",
            field="folders",
        )
    return there


def _unchanged(ref: Ref, name: str, sha: str) -> Source:
    """The folder that holds this content still. Raises: NotFoundError, if none does."""
    there = _seen_in(ref.ref, name, sha)
    for folder in there:
        with suppress(HubmergeError, OSError):
            if _local_sha(folder, ref.ref, ref.repo_type) == sha:
                return Source(**{**vars(ref), "folder": folder}, sha=sha)
    raise NotFoundError(
        f"the folder {name!r} has changed",
        found=", ".join(map(str, there)),
        source=ref.ref,
        hint=f"say where it lies as it was: {option(f'folders.{name}', 'FOLDER')}",
        field="folders",
    )


def _local(ref: str, path: Path, repo_type: RepoType) -> Ref:
    folder = path.resolve()
    kind: Literal["local", "memory"] = "memory" if is_in_memory(folder) else "local"
    return Ref(ref, folder.name, kind, None, folder, repo_type)


def _local_sha(folder: Path, ref: str, repo_type: RepoType) -> str:
    names = folder_files(folder)
    if repo_type == "model":
        if CONFIG not in names:
            raise NotFoundError(
                f"{ref} is no model: it holds no {CONFIG}",
                found=", ".join(names[:5]) or "an empty folder",
                hint="give a folder written by save_pretrained",
            )
        names = model_files(names, lambda name: (folder / name).read_text(), ref)
    digest = hashlib.sha256()
    for name in names:
        path = folder / name
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return f"local-{digest.hexdigest()[:40]}"


def folder_files(folder: Path) -> list[str]:
    """Sorted relative names of all files in `folder` but hidden ones."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        path.as_posix() for path in paths if not any(part.startswith(".") for part in path.parts)
    )


def _without_address(ref: str, repo_type: RepoType) -> str:
    """`ORG/NAME[@revision]` from an address of this Hub (or the public one); else `ref`."""
    if "://" not in ref:
        return ref
    for address in (endpoint(), PUBLIC_HUB):
        if ref.startswith(address + "/"):
            path = ref.removeprefix(address + "/")
            if repo_type == "dataset":
                path = path.removeprefix("datasets/")
            repo_id, tree, revision = path.rstrip("/").partition("/tree/")
            return f"{repo_id}@{revision}" if tree else repo_id
    raise RecipeError(
        f"{ref!r} is not an address on {endpoint()}", hint="give the name alone: ORG/NAME"
    )
