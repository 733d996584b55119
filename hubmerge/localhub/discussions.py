"""Discussions and pull requests: opening, talking, merging."""

from __future__ import annotations

import uuid
from typing import Any

from starlette.responses import JSONResponse, Response

from hubmerge.localhub import accounts, limits, trees
from hubmerge.localhub.names import RepoKey
from hubmerge.localhub.records import Commit, Discussion, Entry, State, Tree, now
from hubmerge.localhub.refusal import Refusal, revision_not_found
from hubmerge.localhub.routing import Call, Routes
from hubmerge.localhub.store import Store, require_refs

routes = Routes()
REPO = "/api/{type}/{namespace}/{name}"
CLASHES = 20
"""Most conflicts that a refusal names."""


def numbered(state: State, number: int) -> Discussion:
    """The discussion with that number."""
    for discussion in state.discussions:
        if discussion.num == number:
            return discussion
    raise Refusal(404, f"There is no discussion {number}", "EntryNotFound")


def open_pull_request(
    store: Store,
    key: RepoKey,
    state: State,
    author: str,
    title: str,
    description: str,
    base: str = "main",
    parent: str | None = None,
    status: str = "open",
) -> Discussion:
    """A new pull request against branch `base`, starting at `parent` or the branch's head.

    Inside `Store.changing`. The ref `refs/pr/{num}` exists from now on.
    """
    if f"refs/heads/{base}" not in state.refs:
        raise revision_not_found(base)
    start = state.refs[f"refs/heads/{base}"]
    if parent is not None:
        history = (oid for oid, _ in store.history(key, start, limits.HISTORY))
        start = next((oid for oid in history if oid.startswith(parent.lower())), "")
        if not start:
            raise Refusal(412, f"{parent} is not a commit of {base}")
    request = _open(state, author, title, description, is_pull_request=True, status=status)
    request.base, request.base_commit = base, start
    state.refs[f"refs/pr/{request.num}"] = start
    return request


def note_commit(state: State, number: int, author: str, title: str, oid: str) -> None:
    """Records in a pull request that a commit was added to it."""
    request = numbered(state, number)
    if not any(e["type"] == "commit" and e["data"]["oid"] == oid for e in request.events):
        request.events.append(_event("commit", author, {"subject": title, "oid": oid}))


def _open(
    state: State, author: str, title: str, description: str, is_pull_request: bool, status: str
) -> Discussion:
    number = max((each.num for each in state.discussions), default=0) + 1
    discussion = Discussion.model_validate(
        {
            "num": number,
            "title": title,
            "author": author,
            "created": now(),
            "is_pull_request": is_pull_request,
            "status": status,
            "events": [_comment(author, description)] if description else [],
        }
    )
    state.discussions.append(discussion)
    return discussion


@routes("POST", f"{REPO}/discussions")
def create(call: Call) -> Response:
    author = call.contributor().name
    title, text = _title(call), call.text("description", limits.TEXT)
    with call.store.changing(call.key) as state:
        require_room(call, state)
        if call.json().get("pullRequest"):
            discussion = open_pull_request(
                call.store, call.key, state, author, title, text, status="draft"
            )
        else:
            discussion = _open(state, author, title, text, is_pull_request=False, status="open")
    return JSONResponse(_summary(call.key, discussion))


@routes("GET", f"{REPO}/discussions")
def listing(call: Call) -> Response:
    query = call.request.query_params
    kinds = {"pull_request": (True,), "discussion": (False,)}.get(query.get("type", ""))
    found = [
        _summary(call.key, each)
        for each in reversed(call.state.discussions)
        if (kinds is None or each.is_pull_request in kinds)
        and query.get("author", each.author) == each.author
        and (query.get("status", "all") == "all" or _is(each, query["status"]))
    ]
    return JSONResponse({"discussions": found, "count": len(found), "start": 0})


@routes("GET", f"{REPO}/discussions/{{number}}")
def details(call: Call) -> Response:
    discussion = numbered(call.state, number(call))
    answer = _summary(call.key, discussion) | {"events": discussion.events}
    if discussion.is_pull_request:
        base, ours, theirs = sides(call.store, call.key, call.state, discussion)
        merged = {"mergeCommitId": discussion.merge_commit} if discussion.merge_commit else {}
        answer["changes"] = {"base": f"refs/heads/{discussion.base}", **merged}
        settled = discussion.status in ("merged", "closed")
        answer["filesWithConflicts"] = [] if settled else trees.conflicts(base, ours, theirs)
        if call.flag("diff"):
            call.require_files()
            answer["diff"] = difference(call, base, theirs)
    return JSONResponse(answer)


@routes("POST", f"{REPO}/discussions/{{number}}/comment")
def comment(call: Call) -> Response:
    author = call.contributor().name
    event = _comment(author, call.text("comment", limits.TEXT))
    with call.store.changing(call.key) as state:
        require_room(call, state)
        numbered(state, number(call)).events.append(event)
    return JSONResponse({"newMessage": event})


@routes("POST", f"{REPO}/discussions/{{number}}/title")
def rename(call: Call) -> Response:
    title = _title(call)
    with call.store.changing(call.key) as state:
        require_room(call, state)
        discussion = numbered(state, number(call))
        author = _require_part(call, state, discussion)
        event = _event("title-change", author, {"from": discussion.title, "to": title})
        discussion.title = title
        discussion.events.append(event)
    return JSONResponse({"newTitle": event})


@routes("POST", f"{REPO}/discussions/{{number}}/status")
def change_status(call: Call) -> Response:
    status = call.json().get("status")
    if status not in ("open", "closed"):
        raise Refusal(400, "The status is open or closed")
    with call.store.changing(call.key) as state:
        require_room(call, state)
        discussion = numbered(state, number(call))
        author = _require_part(call, state, discussion)
        if discussion.status == "merged":
            raise Refusal(400, "This pull request is merged")
        if remark := call.text("comment", limits.TEXT):
            discussion.events.append(_comment(author, remark))
        event = _event("status-change", author, {"status": status})
        discussion.status = status
        discussion.events.append(event)
    return JSONResponse({"newStatus": event})


@routes("POST", f"{REPO}/discussions/{{number}}/merge")
def merge(call: Call) -> Response:
    """Three-way merge of `refs/pr/{num}` into its base; refuses (409) where both changed a file."""
    author = call.writer().name
    with call.store.changing(call.key) as state:
        request = numbered(state, number(call))
        if not request.is_pull_request or request.status in ("merged", "closed"):
            raise Refusal(400, f"Discussion {request.num} is not an open pull request")
        ref = f"refs/heads/{request.base}"
        if ref not in state.refs:
            raise Refusal(409, f"The branch {request.base}, which it is for, was deleted")
        base, ours, theirs = sides(call.store, call.key, state, request)
        if clash := trees.conflicts(base, ours, theirs):
            raise Refusal(409, f"Conflicts in {', '.join(clash[:CLASHES])}")
        commit = Commit(
            parents=(state.refs[ref], state.refs[f"refs/pr/{request.num}"]),
            tree=trees.apply(trees.merge(base, ours, theirs), ()),
            author=author,
            date=now(),
            title=f"{request.title} (#{request.num})",
        )
        state.refs[ref] = request.merge_commit = call.store.write_commit(call.key, commit)
        request.status = "merged"
        if remark := call.text("comment", limits.TEXT):
            request.events.append(_comment(author, remark))
        request.events.append(_event("status-change", author, {"status": "merged"}))
    return JSONResponse({})


def sides(store: Store, key: RepoKey, state: State, request: Discussion) -> tuple[Tree, Tree, Tree]:
    """Trees where the pull request began, of its base branch now, and of the request now."""
    ours = state.refs.get(f"refs/heads/{request.base}", request.base_commit)
    ids = (request.base_commit, ours, state.refs[f"refs/pr/{request.num}"])
    base, now_ours, theirs = (store.commit(key, oid).tree for oid in ids)
    return base, now_ours, theirs


def difference(call: Call, before: Tree, after: Tree) -> str:
    """What changed, in the form of `git diff`; large and binary files by name only."""
    left, pieces = limits.DIFF, []
    for path in trees.changed(before, after)[: limits.SHOWN]:
        pieces.append(f"diff --git a/{path} b/{path}\n")
        entries = [entry for entry in (before.get(path), after.get(path)) if entry is not None]
        left -= (cost := sum(entry.size for entry in entries))
        changed = None
        if left >= 0 and not any(entry.lfs for entry in entries):
            texts = (_text(call.store, tree.get(path)) for tree in (before, after))
            changed = call.texts("difference", path, *texts)
        else:
            left += cost
        pieces.append(changed or f"Binary files a/{path} and b/{path} differ\n")
    return "".join(pieces)


def _text(store: Store, entry: Entry | None) -> str:
    return "" if entry is None else store.blobs.read(entry).decode("utf-8", errors="replace")


def require_room(call: Call, state: State) -> None:
    """Refuses (413) where a repository holds as many discussions as it may.

    People without write access fill half of the room at most.
    """
    require_refs(state)
    writes = accounts.can_write_in(call.account, call.key.namespace)
    if len(state.model_dump_json()) > limits.STATE * (1 if writes else 0.5):
        raise Refusal(413, "The discussions of this repository take too much room")


def _title(call: Call) -> str:
    title = call.text("title", limits.TITLE).strip()
    if len(title) < 3:
        raise Refusal(400, f"A title has 3 to {limits.TITLE} characters")
    return title


def _require_part(call: Call, state: State, discussion: Discussion) -> str:
    """The caller's name, if the discussion is theirs or they may write to the repository."""
    account = accounts.require_contributor(call.account, call.key, state)
    if account.name != discussion.author:
        accounts.require_write(account, call.key)
    return account.name


def number(call: Call) -> int:
    """The number in the address; 0, which no discussion has, if it is none."""
    text = call.values["number"]
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _is(discussion: Discussion, status: str) -> bool:
    is_open = discussion.status in ("open", "draft")
    return is_open if status == "open" else not is_open


def _summary(key: RepoKey, discussion: Discussion) -> dict[str, Any]:
    return {
        "num": discussion.num,
        "title": discussion.title,
        "status": discussion.status,
        "author": {"name": discussion.author},
        "createdAt": discussion.created,
        "repo": {"name": key.id, "type": key.singular},
        "isPullRequest": discussion.is_pull_request,
    }


def _event(kind: str, author: str, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex[:24],
        "type": kind,
        "author": {"name": author},
        "createdAt": now(),
        "data": data,
    }


def _comment(author: str, text: str) -> dict[str, Any]:
    return _event("comment", author, {"edited": False, "hidden": False, "latest": {"raw": text}})
