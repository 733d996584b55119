"""Listings of repositories: one that cannot be described is left out, and breaks none of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pydantic import ValidationError

from hubmerge.localhub import accounts, info
from hubmerge.localhub.names import RepoKey
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.routing import Call
from hubmerge.localhub.store import MAIN


def visible(
    call: Call, namespace: str | None, type_: str | None, words: str = "", files: bool = False
) -> Iterator[tuple[RepoKey, dict[str, Any]]]:
    """Every repository that the caller can see, with its description.

    Parameters:
        namespace, type_: those of this namespace or type only.
        words: those with this in their id only, in lower case.
        files: with the list of their files.
    """
    for key in call.store.repositories():
        if namespace not in (None, key.namespace) or type_ not in (None, key.type):
            continue
        if words not in key.id.lower():
            continue
        # Another process may delete a repository while this runs, or a crash have damaged one.
        with suppress(Refusal, ValidationError, KeyError):
            state = call.store.state(key)
            if state is not None and accounts.can_see(call.account, key, state):
                yield key, info.describe(call.store, key, state, state.refs[MAIN], files=files)
