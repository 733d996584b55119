"""Pure functions on trees: apply operations, list folders, merge, compare."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hubmerge.localhub import limits
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
    looked_at = 0
    for operation in operations:
        match operation:
            case Add(path, entry):
                result[path] = entry
            case Delete(path, folder=False):
                if path not in result:
                    raise _nothing_to_delete(path, "file")
                del result[path]
            case Delete(path, folder=True):
                looked_at += len(result)
                if looked_at > limits.REMOVALS:
                    raise Refusal(413, "Too many folders to remove: use several commits")
                inside = list(under(result, path))
                if not inside:
                    raise _nothing_to_delete(path, "folder")
                for each in inside:
                    del result[each]
    if len(result) > limits.FILES:
        raise Refusal(413, f"A repository has at most {limits.FILES:,} files")
    clash = next(
        (folder for path in result for folder in folders_of(path) if folder in result), None
    )
    if clash is not None:
        raise Refusal(400, f"{clash} would be both a file and a folder")
    return result


def under(tree: Tree, folder: str) -> Iterator[str]:
    """Paths of all files below `folder` ("" is the root)."""
    prefix = f"{folder}/" if folder else ""
    return (path for path in tree if path.startswith(prefix))


def listing(tree: Tree, folder: str, recursive: bool) -> list[str]:
    """Files and folders in `folder` (all depths if `recursive`), sorted."""
    inside = list(under(tree, folder))
    depth = folder.count("/") + 1 if folder else 0
    found = {each for path in inside for each in [path, *folders_of(path)]}
    return sorted(p for p in found if p.count("/") == depth or (recursive and p.count("/") > depth))


def folder_ids(tree: Tree) -> dict[str, str]:
    """Every folder ("" is the root) with an id that changes with anything below it."""
    inside: dict[str, list[str]] = {"": []}
    for path, entry in tree.items():
        inside.setdefault(path.rpartition("/")[0], []).append(f"{path} {entry.oid}")
    for folder in list(inside):
        while folder := folder.rpartition("/")[0]:
            if folder in inside:
                break
            inside[folder] = []
    ids: dict[str, str] = {}
    for folder in sorted(inside, key=lambda folder: -folder.count("/") if folder else 1):
        ids[folder] = hashlib.sha1("\n".join(sorted(inside[folder])).encode()).hexdigest()
        if folder:
            inside[folder.rpartition("/")[0]].append(f"{folder}/ {ids[folder]}")
    return ids


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


def folders_of(path: str) -> Iterator[str]:
    """Every folder `path` is in, without the root."""
    parts = path.split("/")
    return ("/".join(parts[:depth]) for depth in range(1, len(parts)))


def _nothing_to_delete(path: str, what: str) -> Refusal:
    refusal = entry_not_found(path)
    refusal.message = f"A {what} with this name doesn't exist: {path}"
    return refusal
