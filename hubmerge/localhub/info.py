"""Repositories and files as JSON objects, as the Hub describes them."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from typing import Any

from hubmerge.localhub import cards, trees
from hubmerge.localhub.blobs import lfs_pointer
from hubmerge.localhub.names import RepoKey
from hubmerge.localhub.records import Commit, Entry, State, Tree
from hubmerge.localhub.store import MAIN, Store

CARD_LIMIT = 2**20
"""Most bytes of a README or config.json that are read to describe a repository."""


def describe(store: Store, key: RepoKey, state: State, oid: str, blobs: bool) -> dict[str, Any]:
    """The answer to "what is this repository at commit `oid`?"."""
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
        "siblings": [sibling(p, e, blobs) for p, e in sorted(commit.tree.items())],
        "usedStorage": sum(entry.size for entry in commit.tree.values()),
    }
    if key.type == "models":
        answer |= _model_fields(store, key, commit.tree, card)
    return answer


def _model_fields(store: Store, key: RepoKey, tree: Tree, card: dict[str, Any]) -> dict[str, Any]:
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


def _config(content: str) -> dict[str, Any]:
    try:
        config = json.loads(content or "{}")
    except (ValueError, RecursionError):
        return {}
    names = ("architectures", "model_type")
    return {n: config[n] for n in names if n in config} if isinstance(config, dict) else {}


def text(store: Store, tree: Tree, path: str) -> str:
    """Content of a small text file, "" if it is missing or too long."""
    entry = tree.get(path)
    if entry is None or entry.size > CARD_LIMIT:
        return ""
    return store.blobs.read(entry).decode("utf-8", errors="replace")


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
    found = [_item(tree, path) for path in paths if path in tree or trees.is_folder(tree, path)]
    if expand:
        history = list(store.history(key, oid))
        for item in found:
            item["lastCommit"] = _last_commit(history, item["path"])
    return found


def _item(tree: Tree, path: str) -> dict[str, Any]:
    entry = tree.get(path)
    if entry is None:
        return {"type": "directory", "path": path, "oid": trees.folder_id(tree, path), "size": 0}
    item: dict[str, Any] = {"type": "file", "path": path, "oid": entry.oid, "size": entry.size}
    if entry.lfs:
        item["lfs"] = {"oid": entry.sha256, **_lfs_sizes(entry)}
    return item


def _lfs_sizes(entry: Entry) -> dict[str, int]:
    pointer = lfs_pointer(entry.sha256, entry.size)
    return {"size": entry.size, "pointerSize": len(pointer)}


def _last_commit(history: list[tuple[str, Commit]], path: str) -> dict[str, str]:
    """The newest commit of `history` (newest first) that touched `path` or anything below it."""

    def content(tree: Tree) -> dict[str, Entry]:
        return {p: tree[p] for p in ([path] if path in tree else trees.under(tree, path))}

    touched = (
        newer
        for newer, older in itertools.pairwise(history)
        if content(newer[1].tree) != content(older[1].tree)
    )
    oid, commit = next(touched, history[-1])
    return {"id": oid, "title": commit.title, "date": commit.date}
