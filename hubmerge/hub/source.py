"""Where a model or data set comes from: what the user typed, and the exact state it stands for.

    org/name   org/name@revision   https://HUB/org/name[/tree/revision]   ./folder   /a/folder
    org/name@COMMIT   name@local-HASH   and, of a data set, rows.csv

A data set may be a single file of rows. As in transformers, a folder of that name goes before a
repository of that name. ORG/NAME@COMMIT and NAME@local-HASH are what recipes say that are written
beside a merge: a commit is always of a repository, and a hash is the content of a folder or file,
wherever on this machine it was seen (`known_folders`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Literal

from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from huggingface_hub.utils import validate_repo_id

from hubmerge.errors import HubmergeError, NotFoundError, RecipeError
from hubmerge.errors.wording import add, option, quoted
from hubmerge.hub.client import NAMES, AnyRepoType, RepoType, ask, client, endpoint
from hubmerge.hub.hash_ahead import begin, digest, taken
from hubmerge.hub.known_folders import known_folders
from hubmerge.hub.layout import CONFIG, model_files
from hubmerge.hub.other_formats import ADAPTER, ADAPTER_WEIGHTS, refuse_other
from hubmerge.utils.foreign import system_error
from hubmerge.utils.in_memory import is_in_memory
from hubmerge.utils.limits import DATA_FILES, MODEL_FILES
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.pinned_refs import CONTENT, PINNED
from hubmerge.utils.row_files import READERS, is_row_file, local_noun

PUBLIC_HUB = "https://huggingface.co"
REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*)*")
KINDS = {"model": "model", "dataset": "data set", "space": "Space"}
"""Kinds of repositories on a Hub -> what they are called."""

FOLDERS: dict[str, AnyRepoType] = {"datasets": "dataset", "spaces": "space"}
"""First part of an address -> what it is of; without one, of a model."""
PAGE = re.compile(r"[?#]")
"""What begins the part of an address that says how a page is shown."""

LISTED = 200
"""Files that are looked at to say what a folder is, if it is no model."""

SAID_AT_MOST = 200
"""Characters of the Hub client's own explanation that are worth quoting."""

ADAPTER_FILES = frozenset({ADAPTER, ADAPTER_WEIGHTS})
"""What makes a folder an adapter of a model."""

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
    """Absolute; local only. Of a data set, it may be a file of rows."""
    repo_type: RepoType = "model"


@dataclass(frozen=True, kw_only=True)
class Source(Ref):
    """A `Ref` pinned to one state for good."""

    sha: str = ""
    """Commit of 40 hex digits; for a folder "local-" and 40 of the sha256 over what is loaded."""
    gated: bool = False
    """Its owners decide who may download it (and this caller may)."""
    private: bool = False
    origins: tuple[Source, ...] = ()
    """What it was made of, where `folder` holds it as it was prepared for a merge."""

    parts: tuple[Source, ...] = ()
    """Of what an earlier stage of a recipe makes, everything that it is made of; it lies in no
    folder before it is made."""
    adapters: tuple[Source, ...] = ()
    """What is to be added to it, in this order."""
    layers: tuple[int, int] | None = None
    """Number of the first of its layers that is taken, and of the first that is not."""
    quantised: str | None = None
    """How its weights are stored, where `folder` holds them dequantised: "fp8"."""

    @property
    def made_of(self) -> tuple[Source, ...]:
        """The repositories and folders that it is, or was made of."""
        return self.origins or (*(self.parts or (self,)), *self.adapters)

    @property
    def is_stage(self) -> bool:
        """Whether an earlier stage of a recipe makes it."""
        return bool(self.parts)

    @property
    def is_whole(self) -> bool:
        """Whether it is merged as it is stored, or was prepared for that."""
        return bool(self.origins) or (not self.adapters and self.layers is None)


def parse_ref(ref: str, repo_type: RepoType = "model") -> Ref:
    """Understand `ref` without looking anything up but whether a folder of that name exists.

    Raises: RecipeError for what is no name (path tricks, markup, control characters, another
    Hub's address); NotFoundError for a path that is no folder, or the name of no file of rows.
    """
    name = NAMES[repo_type]
    if not ref or ref != ref.strip() or not ref.isprintable():
        raise RecipeError(
            f"{quoted(ref)} is no name of a {name}", hint="ORG/NAME, or a folder: ./NAME"
        )
    if content := CONTENT.fullmatch(ref):
        folder, *_ = _seen_in(ref, content["name"], content["sha"])
        return Ref(ref, content["name"], "local", None, folder, repo_type)
    if PINNED.fullmatch(ref):
        repo_id, _, commit = ref.partition("@")
        return Ref(ref, parse_repo_id(repo_id, repo_type), "hub", commit, None, repo_type)
    path = _path(ref, name)
    if repo_type == "dataset" and is_row_file(path.name) and _is_file(path):
        return _local(ref, path, repo_type)
    _refuse_file(path, ref, name)
    if ref.startswith(_LOCAL_MARKS) or ref in (".", ".."):
        if not _is_dir(path):
            raise _nothing_here(ref, repo_type)
        return _local(ref, path, repo_type)
    if ".." not in path.parts and _is_dir(path):
        return _local(ref, path, repo_type)
    if repo_type == "dataset" and "/" not in ref and is_row_file(ref):
        raise _nothing_here(ref, repo_type)
    repo_id, _, revision = _without_address(ref, repo_type).partition("@")
    parse_repo_id(repo_id, repo_type)
    if "@" in ref or revision:
        check_revision(revision, ref)
    return Ref(ref, repo_id, "hub", revision or None, None, repo_type)


def _nothing_here(ref: str, repo_type: RepoType) -> NotFoundError:
    noun = local_noun(ref) if repo_type == "dataset" else "folder"
    return NotFoundError(
        f"there is no {noun} {quoted(ref)}", hint="a repository on the Hub is written ORG/NAME"
    )


def _refuse_file(path: Path, ref: str, name: str) -> None:
    """Raises: NotFoundError, if `path` is a file."""
    if _is_file(path):
        parent = path.parent.as_posix()
        folder = parent if parent.startswith(_LOCAL_MARKS) or parent == "." else f"./{parent}"
        raise NotFoundError(
            f"{quoted(ref)} is a file, where the folder or the id of a {name} is expected",
            hint=f"give the folder it lies in: {shlex.quote(folder)}"
            + (f", or a file of rows: {', '.join(READERS)}" if name == NAMES["dataset"] else ""),
        )


def parse_repo_id(repo_id: str, repo_type: RepoType = "model") -> str:
    """`repo_id` itself: letters, digits, `-`, `_`, `.` and one `/`, as the Hub has it.

    Raises: RecipeError.
    """
    if not repo_id.isprintable():
        raise RecipeError(f"{quoted(repo_id)} is no name of a {NAMES[repo_type]}", hint="ORG/NAME")
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        said = str(error).strip().splitlines()[0].replace(repr(repo_id), "it")
        raise RecipeError(
            f"{quoted(repo_id)} is no name of a {NAMES[repo_type]}",
            found=said if len(said) < SAID_AT_MOST else None,
            hint="ORG/NAME: letters, digits, -, _ and ., 96 at most; or a folder: ./NAME",
        ) from error
    return repo_id


def check_revision(revision: str, ref: str) -> None:
    """Raises: RecipeError, unless `revision` can be a branch, tag or commit."""
    if not REVISION.fullmatch(revision) or ".." in revision or len(revision) > 255:
        raise RecipeError(
            f"{quoted(revision)} is no revision",
            source=quoted(ref),
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
    return _on_the_hub(parsed)


def hash_ahead(models: Iterable[str]) -> None:
    """Begins to hash those of the models that are folders, so that `resolve` needs not wait.

    Whatever is wrong with them is said where they are resolved.
    """
    for model in models:
        parsed = parse_model_ref(model)
        for ref in (parsed.base, *parsed.adapters):
            with suppress(HubmergeError, OSError):
                folder = parse_ref(ref).folder
                if folder is not None and (folder / CONFIG).is_file():
                    begin(folder, partial(_hashed, folder, ref, "model"), partial(_state, folder))


def resolve_on_hub(repo_id: str, revision: str | None = None) -> Source:
    """A model's repository of that id at the commit it is at now, whatever folders there are here.

    Raises: as `resolve`.
    """
    ref = parse_repo_id(repo_id)
    if revision is not None:
        check_revision(revision, ref := f"{repo_id}@{revision}")
    return _on_the_hub(Ref(ref, repo_id, "hub", revision, None))


def _on_the_hub(parsed: Ref) -> Source:
    ref, repo_type = parsed.ref, parsed.repo_type

    def look() -> Source:
        info = client().repo_info(parsed.id, repo_type=repo_type, revision=parsed.revision)
        gated, private = bool(info.gated), bool(info.private)
        if gated:  # visible to all, downloadable by users with access
            client().auth_check(parsed.id, repo_type=repo_type)
        return Source(**vars(parsed), sha=str(info.sha), gated=gated, private=private)

    try:
        return ask(look, ref, repo_type)
    except NotFoundError as error:
        if isinstance(error.__cause__, RepositoryNotFoundError):
            _refuse_other_kind(parsed.id, ref, repo_type)
        raise


def _refuse_other_kind(repo_id: str, ref: str, repo_type: RepoType) -> None:
    """Raises: NotFoundError, if there is a repository of that name, but of another kind."""
    for kind in KINDS:
        if kind == repo_type:
            continue
        try:
            client().repo_info(repo_id, repo_type=kind)
        except Exception:  # whatever it is: it is not known to be there
            continue
        wanted, there = NAMES[repo_type], KINDS[kind]
        raise NotFoundError(
            f"{ref} is a {there}, not a {wanted}",
            source=endpoint(),
            hint=_instead(kind, repo_type),
        )


def _instead(there: str, wanted: RepoType) -> str:
    """What to do with the name of a repository of another kind than is wanted."""
    if (there, wanted) == ("dataset", "model"):
        return f"{add('dataset')} for it, and name a model here"
    return f"name a {NAMES[wanted]} here"


def _path(ref: str, name: str) -> Path:
    try:
        return Path(ref).expanduser()
    except RuntimeError as error:  # ~user, of a user there is not
        raise NotFoundError(f"{ref!r} is no folder of a {name}", found=str(error)) from error


def _is_dir(path: Path) -> bool:
    """Whether it is a folder; a name too long for one is none. Raises: AccessError."""
    try:
        return path.is_dir()
    except OSError as error:
        if isinstance(error, PermissionError):
            raise system_error(error) or error from error
        return False


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def head_of(repo_id: str, repo_type: RepoType = "model") -> str:
    """The commit that the main branch of a repository is at. Raises: as `resolve`."""
    return ask(
        lambda: str(client().repo_info(repo_id, repo_type=repo_type).sha), repo_id, repo_type
    )


def _seen_in(ref: str, name: str, sha: str) -> list[Path]:
    """Folders that held this content. Raises: NotFoundError, if none is known and still there."""
    there = [folder for folder in known_folders(sha) if _is_dir(folder) or _is_file(folder)]
    if not there:
        raise NotFoundError(
            f"{name!r} is a {local_noun(name)} that is not known on this machine",
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
        f"the {local_noun(name)} {name!r} has changed",
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
    try:
        ahead = taken(folder) if repo_type == "model" else None
        return ahead or _hashed(folder, ref, repo_type)
    except OSError as error:
        raise system_error(error) or error from error


def _hashed(folder: Path, ref: str, repo_type: RepoType) -> str:
    return digest(folder, loaded_files(folder, ref, repo_type))


def loaded_files(folder: Path, ref: str, repo_type: RepoType) -> list[str]:
    """Sorted names of the files that a folder stands for; of a single file, its own name.

    Raises: NotFoundError, WeightsError, for one that holds no model, or none that is whole.
    """
    if repo_type == "model":
        if not (folder / CONFIG).is_file():  # before half a disk is listed
            files = (path for path in islice(folder.rglob("*"), LISTED) if path.is_file())
            some = sorted(path.relative_to(folder).as_posix() for path in files)
            if {*some} >= ADAPTER_FILES:
                return sorted(ADAPTER_FILES)
            refuse_other(some, lambda name: folder / name, ref)
            raise NotFoundError(
                f"{ref} is no model: it holds no {CONFIG}",
                found=", ".join(some[:5]) or "an empty folder",
                hint="give a folder written by save_pretrained",
            )
        return model_files(folder_files(folder, MODEL_FILES), lambda name: folder / name, ref)
    names = folder_files(folder)
    if CONFIG in names and any(map(_is_weights, names)):
        raise NotFoundError(
            f"{ref} is a model, not a data set",
            found=", ".join(names[:5]),
            hint="name the folder of a data set here",
        )
    return names


def _state(folder: Path) -> list[tuple[str, int, int, int]]:
    """What changes with the files that a model may load, as far as can be seen without reading."""
    files = ((name, (folder / name).stat()) for name in folder_files(folder, MODEL_FILES))
    return [(name, seen.st_ino, seen.st_size, seen.st_mtime_ns) for name, seen in files]


def _is_weights(name: str) -> bool:
    return name.endswith((".safetensors", ".bin"))


def folder_files(folder: Path, most: int = DATA_FILES) -> list[str]:
    """Sorted relative names of all files in `folder` but hidden ones; pipes and devices are none.
    Of a single file, its own name.

    most: how much there may be. Raises: RecipeError, if it is more.
    """
    if folder.is_file():
        return [folder.name]
    names = []
    for number, path in enumerate(folder.rglob("*")):
        if number >= most:
            raise RecipeError(
                f"{str(folder)!r} holds more than {most:,} files and folders",
                hint="give the folder of one model or data set",
            )
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts) and path.is_file():
            names.append("/".join(parts))
    return sorted(names)


def _without_address(ref: str, repo_type: RepoType) -> str:
    """`ORG/NAME[@revision]` from an address of this Hub (or the public one); else `ref`.

    Raises: RecipeError, for an address of another Hub, or of another kind of repository.
    """
    if "://" not in ref:
        return ref
    for address in (endpoint(), PUBLIC_HUB):
        if ref.startswith(address + "/"):
            path = PAGE.split(ref.removeprefix(address + "/"))[0].rstrip("/")
            kind, _, below = path.partition("/")
            named: AnyRepoType = FOLDERS.get(kind, "model")
            if named != repo_type:
                wanted = KINDS[repo_type]
                raise RecipeError(
                    f"{quoted(ref)} is the address of a {KINDS[named]}, not of a {wanted}",
                    hint=_instead(named, repo_type),
                )
            path = path if named == "model" else below
            repo_id, tree, revision = path.partition("/tree/")
            if not tree:  # a page of one file
                repo_id, tree, below = path.partition("/blob/")
                revision = below.partition("/")[0]
            return f"{repo_id}@{revision}" if tree else repo_id
    raise RecipeError(
        f"{quoted(ref)} is not an address on {endpoint()}", hint="give the name alone: ORG/NAME"
    )
