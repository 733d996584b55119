"""Short queries to the Hub with a visitor's token: search, and the name of an account.

The Hub's answers are parsed here and not by its client, which would fail on one malformed card.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any
from urllib.parse import quote

from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status, paginate

from hubmerge.errors import AccessError
from hubmerge.hub.client import acting_for, client, translate
from hubmerge.hub.source import RepoType
from spaces_app.service.job import Refused, refusing
from spaces_app.service.untrusted_json import mapping, number, whole, word, words
from spaces_app.service.visitors import Visitor

SHOWN = 8
"""Most results of a search."""
TYPED = 100
"""Characters of what was typed that are searched for."""
EXPAND = {
    "model": ["config", "downloads", "likes", "pipeline_tag", "private", "safetensors", "tags"],
    "dataset": ["downloads", "likes", "private", "tags"],
}
ADAPTER = "base_model:adapter:"
"""Tag of a repository that holds an adapter and not a model."""
PARTS = re.compile(r"[-_.]")
"""What stands between the parts of a name."""
COMPARED = 100
"""Repositories of an answer whose ids are compared with one that is not there."""
NEARER = 2
"""Shorter names that are searched for, where one is not there."""
ALIKE = 0.8
"""How alike two ids are, at least, of which one may be meant by the other."""
SETTLED = 2
"""Figures of two sizes that must agree for them to be one size."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A repository as a list of the Hub describes it; None, or empty, where it does not say."""

    id: str
    kind: RepoType = "model"
    task: str | None = None
    family: str | None = None
    parameters: int | None = None
    likes: int | None = None
    downloads: int | None = None
    licence: str | None = None
    datasets: tuple[str, ...] = ()
    adapter: bool = False
    private: bool = False


def search(
    visitor: Visitor,
    typed: str,
    kind: RepoType = "model",
    beside: Found | None = None,
    most: int = SHOWN,
) -> list[Found]:
    """Repositories on the Hub that contain `typed`, at most `most`; none if it does not answer.

    beside: a model with which what is searched is to be merged; models of its family come first.
    """
    typed = typed.strip()[:TYPED].encode(errors="replace").decode()
    asked: dict[str, Any] = {"limit": most, "expand": EXPAND[kind], "sort": "downloads"}
    if typed:
        asked["search"] = typed
    questions = [asked]
    if beside is not None and beside.family is not None and not typed:
        questions.insert(0, {**asked, "filter": beside.family})
        if beside.task is not None:
            questions.insert(1, {**asked, "filter": beside.task})
    found: dict[str, Found] = {}
    try:
        with refusing(), acting_for(visitor.token), translate(typed or "the Hub", kind):
            api = client()
            for question in questions:
                headers = build_hf_headers(token=api.token)
                listed = paginate(f"{api.endpoint}/api/{kind}s", params=question, headers=headers)
                for each in islice(listed, most):
                    one = found_in(mapping(each), kind)
                    found.setdefault(one.id, one)
    except Refused:
        pass
    named = [
        each for each in found.values() if each.id and (beside is None or each.id != beside.id)
    ]
    if beside is not None:
        named.sort(key=lambda each: why_not(each, beside) is not None)
    return named[:most]


def near(visitor: Visitor, repo: str, kind: RepoType = "model") -> list[str]:
    """Ids that are nearly `repo`, for one that is not there: the nearest first."""
    owner, _, name = repo.rpartition("/")
    parts = PARTS.split(name)
    stems = [name[: len("-".join(parts[:most]))] for most in range(len(parts) - 1, 0, -1)]
    for typed in filter(None, [*stems[:NEARER], owner]):
        ids = [each.id for each in search(visitor, typed, kind, most=COMPARED)]
        if close := get_close_matches(repo, ids, n=3, cutoff=ALIKE):
            return close
    return []


def describe(visitor: Visitor, repo: str, kind: RepoType = "model") -> Found | None:
    """What the Hub says of a repository; None if it has none of that id, or does not answer."""
    repo = repo.strip().encode(errors="replace").decode()
    if not 0 < len(repo) <= TYPED or repo.count("/") != 1:
        return None
    try:
        with refusing(), acting_for(visitor.token), translate(repo, kind):
            api = client()
            answer = get_session().get(
                f"{api.endpoint}/api/{kind}s/{quote(repo)}",
                headers=build_hf_headers(token=api.token),
            )
            hf_raise_for_status(answer)
            return found_in(mapping(answer.json()), kind)
    except (Refused, ValueError):
        return None


def found_in(said: Mapping[str, Any], kind: RepoType = "model") -> Found:
    """A repository of the Hub's answer. Malformed fields are left out."""
    tags = words(said.get("tags"))
    weights = number(mapping(said.get("safetensors")).get("total"))
    return Found(
        id=word(said.get("id")) or "",
        kind=kind,
        task=word(said.get("pipeline_tag")) or _tagged(tags, "task_categories:"),
        family=word(mapping(said.get("config")).get("model_type")),
        parameters=whole(weights),
        likes=whole(said.get("likes")),
        downloads=whole(said.get("downloads")),
        licence=_tagged(tags, "license:"),
        datasets=tuple(tag.partition(":")[2] for tag in tags if tag.startswith("dataset:")),
        adapter=any(tag.startswith(ADAPTER) for tag in tags),
        private=said.get("private") is True,
    )


def why_not(found: Found, beside: Found) -> str | None:
    """Why `found` cannot be merged with `beside`, as far as a list shows; None if it may."""
    if found.family and beside.family and found.family != beside.family:
        return f"another family: {found.family}, and not {beside.family}"
    if found.task and beside.task and found.task != beside.task:
        return f"another task: {found.task}, and not {beside.task}"
    a, b = found.parameters, beside.parameters
    if a and b and abs(a - b) > max(a, b) / 10**SETTLED:
        return f"another size: {a:,} weights, and not {b:,}"
    return None


def common_datasets(models: list[Found]) -> tuple[list[str], list[str]]:
    """Data sets that all cards name, and those that some name."""
    named = [model.datasets for model in models if model.datasets]
    every = list(dict.fromkeys(name for names in named for name in names))
    shared = [name for name in every if all(name in model.datasets for model in models)]
    return shared, [name for name in every if name not in shared]


@dataclass(frozen=True)
class Account:
    """Name of an account on the Hub, and the address of its picture, if it has one."""

    name: str
    picture: str | None = None


def account(token: str) -> Account:
    """The account of `token`. Raises: Refused."""
    with refusing(), acting_for(token), translate("your account"):
        if not token:
            raise AccessError("no token was given")
        said = client().whoami()
        picture = said.get("avatarUrl")
        shown = isinstance(picture, str) and picture.startswith("https://") and len(picture) < 500
        return Account(str(said["name"]), picture if shown else None)


def _tagged(tags: tuple[str, ...], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)
