"""Repositories and files as JSON objects, as the Hub describes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from hubmerge.localhub import cards, limits, trees
from hubmerge.localhub.blobs import lfs_pointer
from hubmerge.localhub.names import RepoKey
from hubmerge.localhub.plain import parse, plain
from hubmerge.localhub.records import Entry, State, Tree
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.store import MAIN, Store

EVAL_RESULTS = ".eval_results/"


def describe(
    store: Store, key: RepoKey, state: State, oid: str, blobs: bool = False, files: bool = True
) -> dict[str, Any]:
    """The answer to "what is this repository at commit `oid`?".

    Parameters:
        blobs: with the size and id of each file.
        files: with the list of files.
    """
    commit = store.commit(key, oid)
    head = store.commit(key, state.refs[MAIN])
    card = cards.metadata(text(store, commit.tree, "README.md"))
    answer = {
        "_id": oid[:24],
        "id": key.id,
        "author": key.namespace,
        "sha": oid,
        "private": state.private,
        "gated": state.gated,
        "disabled": False,
        "createdAt": state.created,
        "lastModified": head.date,
        "downloads": 0,
        "likes": 0,
        "tags": cards.tags(card),
        "cardData": card,
        "usedStorage": sum(entry.size for entry in commit.tree.values()),
    }
    if files:
        answer["siblings"] = [sibling(p, e, blobs) for p, e in sorted(commit.tree.items())]
    if key.type == "models":
        answer |= _model_fields(store, key, commit.tree, card)
    return answer


def _model_fields(
    store: Store, key: RepoKey, tree: Tree, card: Mapping[str, Any]
) -> dict[str, Any]:
    config = _config(text(store, tree, "config.json"))
    library = card.get("library_name") or ("transformers" if "model_type" in config else None)
    found = [library] if isinstance(library, str) else []
    return {
        "modelId": key.id,
        "library_name": library,
        "pipeline_tag": card.get("pipeline_tag"),
        "config": config,
        "model-index": card.get("model-index"),
        "tags": list(dict.fromkeys(found + cards.tags(card))),
    }


def eval_results(store: Store, key: RepoKey, oid: str) -> list[dict[str, Any]]:
    """Entries of all files in `.eval_results`; of one that cannot be read, that it cannot."""
    found: list[dict[str, Any]] = []
    tree = store.commit(key, oid).tree
    for path in sorted(tree):
        if path.startswith(EVAL_RESULTS) and path.endswith(".yaml"):
            said = cards.entries(text(store, tree, path))
            if said is None:
                found.append({"filename": path, "error": "not a list of results"})
            found += [{"filename": path, "data": entry} for entry in said or ()]
    return found


def _config(content: str) -> dict[str, Any]:
    try:
        config = plain(parse((content or "{}").encode()))
    except Refusal:
        return {}
    names = ("architectures", "model_type")
    return {n: config[n] for n in names if n in config} if isinstance(config, dict) else {}


def text(store: Store, tree: Tree, path: str) -> str:
    """Content of a small text file, "" if it is missing or too long."""
    entry = tree.get(path)
    if entry is None or entry.size > limits.CARD:
        return ""
    try:
        return store.blobs.read(entry).decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def sibling(path: str, entry: Entry, blobs: bool) -> dict[str, Any]:
    """A file as `siblings` of a repository's description lists it."""
    if not blobs:
        return {"rfilename": path}
    answer: dict[str, Any] = {"rfilename": path, "size": entry.size, "blobId": entry.oid}
    if entry.lfs:
        answer["lfs"] = {"sha256": entry.sha256, **_lfs_sizes(entry)}
    return answer


def items(
    store: Store, key: RepoKey, oid: str, paths: Iterable[str], expand: bool
) -> list[dict[str, Any]]:
    """Files and folders as trees list them; paths that do not exist are left out."""
    tree = store.commit(key, oid).tree
    folders = trees.folder_ids(tree)
    found = [_item(tree, folders, path) for path in paths if path in tree or path in folders]
    if expand:
        last = _last_commits(store, key, oid, {item["path"] for item in found})
        for item in found:
            item["lastCommit"] = last.get(item["path"])
    return found


def _item(tree: Tree, folders: Mapping[str, str], path: str) -> dict[str, Any]:
    entry = tree.get(path)
    if entry is None:
        return {"type": "directory", "path": path, "oid": folders[path], "size": 0}
    item: dict[str, Any] = {"type": "file", "path": path, "oid": entry.oid, "size": entry.size}
    if entry.lfs:
        item["lfs"] = {"oid": entry.sha256, **_lfs_sizes(entry)}
    return item


def _lfs_sizes(entry: Entry) -> dict[str, int]:
    pointer = lfs_pointer(entry.sha256, entry.size)
    return {"size": entry.size, "pointerSize": len(pointer)}


def _last_commits(
    store: Store, key: RepoKey, oid: str, paths: set[str]
) -> dict[str, dict[str, str]]:
    """The newest commit that touched each path or anything below it, where it is soon found."""
    found: dict[str, dict[str, str]] = {}
    history = store.history(key, oid, limits.HISTORY)
    newer = next(history, None)
    while newer is not None and len(found) < len(paths):
        newer_oid, commit = newer
        older = next(history, None)
        if older is None and commit.parents:
            break  # the rest of the history is too long to look at
        told = {"id": newer_oid, "title": commit.title, "date": commit.date}
        before: Tree = older[1].tree if older else {}
        for path in trees.changed(before, commit.tree) if older else paths:
            for touched in (path, *trees.folders_of(path), ""):
                if touched in paths:
                    found.setdefault(touched, told)
        newer = older
    return found
