"""Pure functions on trees: apply operations, list folders, merge, compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hubmerge.localhub.records import Entry, Tree
from hubmerge.localhub.refusal import Refusal, entry_not_found


@dataclass(frozen=True)
class Add:
    """Put `entry` at `path`, whether or not something is there."""

    path: str
    entry: Entry


@dataclass(frozen=True)
class Delete:
    """Take away a file, or everything inside a folder; there must be something."""

    path: str
    folder: bool = False


Operation = Add | Delete


def apply(tree: Tree, operations: Iterable[Operation]) -> dict[str, Entry]:
    """The tree after `operations`, in their order. A path is never both a file and a folder."""
    result = dict(tree)
    for operation in operations:
        match operation:
            case Add(path, entry):
                result[path] = entry
            case Delete(path, folder=False):
                if path not in result:
                    raise _nothing_to_delete(path, "file")
                del result[path]
            case Delete(path, folder=True):
                inside = list(under(result, path))
                if not inside:
                    raise _nothing_to_delete(path, "folder")
                for each in inside:
                    del result[each]
    clash = next((folder for path in result for folder in _folders(path) if folder in result), None)
    if clash is not None:
        raise Refusal(400, f"{clash} would be both a file and a folder")
    return result


def under(tree: Tree, folder: str) -> Iterator[str]:
    """Paths of all files below `folder` ("" is the root)."""
    prefix = f"{folder}/" if folder else ""
    return (path for path in tree if path.startswith(prefix))


def is_folder(tree: Tree, path: str) -> bool:
    """Whether there are files below `path`."""
    return path == "" or next(under(tree, path), None) is not None


def listing(tree: Tree, folder: str, recursive: bool) -> list[str]:
    """Files and folders in `folder` (all depths if `recursive`), sorted."""
    inside = list(under(tree, folder))
    depth = folder.count("/") + 1 if folder else 0
    found = {each for path in inside for each in [path, *_folders(path)]}
    return sorted(p for p in found if p.count("/") == depth or (recursive and p.count("/") > depth))


def folder_id(tree: Tree, folder: str) -> str:
    """An id that changes with anything below `folder`."""
    lines = sorted(f"{path} {tree[path].oid}" for path in under(tree, folder))
    return hashlib.sha1("\n".join(lines).encode()).hexdigest()


def changed(before: Tree, after: Tree) -> list[str]:
    """Paths that were added, removed or given other content, sorted."""
    return sorted(p for p in {*before, *after} if before.get(p) != after.get(p))


def conflicts(base: Tree, ours: Tree, theirs: Tree) -> list[str]:
    """Paths that both sides changed since `base`, and not to the same content."""
    both = set(changed(base, ours)) & set(changed(base, theirs))
    return sorted(path for path in both if ours.get(path) != theirs.get(path))


def merge(base: Tree, ours: Tree, theirs: Tree) -> dict[str, Entry]:
    """`ours` with everything `theirs` changed since `base`; there must be no conflicts."""
    result = {p: e for p, e in ours.items() if p in theirs or p not in base}
    result.update({p: theirs[p] for p in changed(base, theirs) if p in theirs})
    return result


def _folders(path: str) -> Iterator[str]:
    """Every folder `path` is in, without the root."""
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _nothing_to_delete(path: str, what: str) -> Refusal:
    refusal = entry_not_found(path)
    refusal.message = f"A {what} with this name doesn't exist: {path}"
    return refusal
