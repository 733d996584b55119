"""Uploading: which way each file takes, large files by signed links, and commits."""

from __future__ import annotations

import base64
import binascii
import codecs
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeGuard
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from hubmerge.localhub import accounts, discussions, limits
from hubmerge.localhub.blobs import lfs_entry
from hubmerge.localhub.bodies import pieces, read_lines
from hubmerge.localhub.names import check_path, is_sha256
from hubmerge.localhub.plain import parse
from hubmerge.localhub.records import State, Tree
from hubmerge.localhub.refusal import Refusal, revision_not_found
from hubmerge.localhub.routing import Call, Routes
from hubmerge.localhub.trees import Add, Delete, Operation

routes = Routes()
REPO = "/api/{type}/{namespace}/{name}"

REGULAR_LIMIT = 10 * 2**20
"""Text up to this many bytes travels inside the commit; everything else by LFS."""

WRITE_SIZE = 2**20


@routes("POST", f"{REPO}/preupload/{{revision}}")
def preupload(call: Call) -> Response:
    call.contributor()
    if not call.flag("create_pr"):
        _target_ref(call, call.state)
    oid = call.store.resolve(call.state, call.revision)
    tree = call.store.commit(call.key, oid).tree
    files = call.json().get("files")
    if not isinstance(files, list) or not all(isinstance(file, dict) for file in files):
        raise Refusal(400, "files must be a list of objects")
    if len(files) > limits.PATHS:
        raise Refusal(413, f"Ask about at most {limits.PATHS:,} files at once")
    return JSONResponse({"commitOid": oid, "files": [_upload_mode(file, tree) for file in files]})


def _upload_mode(file: Mapping[str, Any], tree: Tree) -> dict[str, Any]:
    path, size = check_path(file.get("path")), file.get("size")
    if not _is_size(size):
        raise Refusal(400, f"{path}: size must be a number of bytes")
    try:
        sample = base64.b64decode(file.get("sample") or "", validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Refusal(400, f"{path}: sample must be base64") from None
    lfs = size > REGULAR_LIMIT or not _is_text(sample)
    stored = tree.get(path)
    known = stored is not None and stored.lfs == lfs
    return {
        "path": path,
        "uploadMode": "lfs" if lfs else "regular",
        "shouldIgnore": False,
        "oid": (stored.sha256 if lfs else stored.oid) if stored and known else None,
    }


def _is_text(sample: bytes) -> bool:
    """UTF-8 without NUL; the sample may end in the middle of a character."""
    if b"\0" in sample:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=False)
    except UnicodeDecodeError:
        return False
    return True


# Large files


@routes("POST", "/@{type}/{namespace}/{name}/info/lfs/objects/batch")
def lfs_batch(call: Call) -> Response:
    """Where to send each object, or that it is stored already and the caller may use it."""
    account = call.contributor()
    asked = call.json()
    if asked.get("operation") != "upload" or asked.get("hash_algo", "sha256") != "sha256":
        raise Refusal(400, "Only uploads, by sha256")
    answers = []
    objects = asked.get("objects") or []
    if not isinstance(objects, list):
        raise Refusal(400, "objects must be a list")
    if len(objects) > limits.PATHS:
        raise Refusal(413, f"Ask about at most {limits.PATHS:,} objects at once")
    new = 0
    for blob in objects:
        oid, size = _blob(blob)
        answer: dict[str, Any] = {"oid": oid, "size": size}
        stored = call.store.blobs.size(oid) == size
        new += 0 if stored else size
        if not (stored and call.store.may_claim(call.key, account.name, oid)):
            verify = f"{call.base}{quote(call.key.page)}.git/info/lfs/verify"
            href = call.links.upload(call.base, account.name, oid, size)
            answer["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
        answers.append(answer)
    call.store.quota.require(account.name, new)
    return JSONResponse({"transfer": "basic", "hash_algo": "sha256", "objects": answers})


@routes("PUT", "/-/lfs/{oid}")
async def lfs_put(call: Call) -> Response:
    """Receive the bytes of one object; the signed link is the permission."""
    query, oid = call.request.query_params, call.values["oid"]
    user, size = query.get("user", ""), query.get("size", "")
    until, signature = query.get("until", ""), query.get("signature", "")
    call.links.check_upload(user, oid, size, until, signature)
    new = 0 if call.store.blobs.size(oid) == int(size) else int(size)
    incoming = call.store.blobs.incoming()
    charged = stored = False
    try:
        await call.run(call.store.quota.charge, user, new)
        charged = True
        waiting = bytearray()
        async for piece in pieces(call.request):
            waiting += piece
            if incoming.size + len(waiting) > int(size):
                raise Refusal(400, f"More bytes than the {size} announced")
            if len(waiting) >= WRITE_SIZE:
                await run_in_threadpool(incoming.write, bytes(waiting))
                waiting.clear()
        incoming.write(bytes(waiting))
        await run_in_threadpool(incoming.finish, oid, int(size))
        stored = True
    finally:
        incoming.close()
        if charged and not stored:
            call.store.quota.charge(user, -new)
    call.store.mark_uploaded(user, oid)
    return Response()


@routes("POST", "/@{type}/{namespace}/{name}/info/lfs/verify")
def lfs_verify(call: Call) -> Response:
    account = call.contributor()
    _require_blob(call, account.name, *_blob(call.json()))
    return JSONResponse({})


def _blob(asked: object) -> tuple[str, int]:
    """The `oid` and `size` of an LFS object."""
    match asked:
        case {"oid": str(oid), "size": int(size)} if is_sha256(oid) and _is_size(size):
            return oid, size
    raise Refusal(400, f"Not an LFS object: {asked!r:.200}")


def _is_size(value: object) -> TypeGuard[int]:
    """Whether `value` is a number of bytes that a file may have."""
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    return 0 <= value <= limits.LARGEST_FILE


def _require_blob(call: Call, user: str, oid: str, size: int | None) -> int:
    """The blob's size, if it is stored and `user` may name it in this repository."""
    stored = call.store.blobs.size(oid)
    allowed = call.store.may_claim(call.key, user, oid)
    if stored is None or not allowed or (size is not None and size != stored):
        raise Refusal(400, f"LFS object {oid} has not been uploaded: send its bytes first")
    return stored


# Commits


@routes("POST", f"{REPO}/commit/{{revision}}")
async def commit(call: Call) -> Response:
    """One atomic commit, line by line: a header, then what to do."""
    account = await call.run(call.contributor)
    as_pull_request = call.flag("create_pr")
    if not as_pull_request:
        _target_ref(call, call.state)
    header: dict[str, Any] | None = None
    operations: list[Operation] = []
    async for line in read_lines(call.request):
        read = await call.run(_line, call, account.name, line)
        if isinstance(read, dict):
            header = read
        else:
            operations.append(read)
        if len(operations) > limits.OPERATIONS:
            raise Refusal(413, f"A commit has at most {limits.OPERATIONS:,} operations")
    if header is None:
        raise Refusal(400, "A commit starts with a header line")
    return await call.run(_commit, call, account.name, as_pull_request, header, operations)


def _commit(
    call: Call,
    author: str,
    as_pull_request: bool,
    header: dict[str, Any],
    operations: list[Operation],
) -> Response:
    title, message = header.get("summary") or "Update", header.get("description") or ""
    for name, said, most in (
        ("summary", title, limits.SUMMARY),
        ("description", message, limits.TEXT),
    ):
        if not isinstance(said, str) or len(said) > most:
            raise Refusal(400, f"{name} must be a text of at most {most:,} characters")
    parent = header.get("parentCommit")
    if parent is not None and not (isinstance(parent, str) and len(parent) >= 5):
        raise Refusal(400, "parentCommit must be a commit id")
    pull_request = None
    with call.store.changing(call.key) as state:
        if as_pull_request:
            discussions.require_room(call, state)
            pull_request = discussions.open_pull_request(
                call.store, call.key, state, author, title, message, call.revision, parent
            )
            ref, parent = f"refs/pr/{pull_request.num}", None
        else:
            ref = _target_ref(call, state)
        oid = call.store.add_commit(
            call.key, state, ref, operations, author, title, message, expected=parent
        )
        if ref.startswith("refs/pr/"):
            discussions.require_room(call, state)
            discussions.note_commit(state, int(ref.rpartition("/")[2]), author, title, oid)
    page = call.base + call.key.page
    answer = {"success": True, "commitOid": oid, "commitUrl": f"{page}/commit/{oid}"}
    if pull_request is not None:
        answer["pullRequestUrl"] = f"{page}/discussions/{pull_request.num}"
    return JSONResponse(answer)


def _target_ref(call: Call, state: State) -> str:
    """The branch or pull request a commit to this revision moves, if the caller may move it."""
    revision = call.revision
    branch = f"refs/heads/{revision.removeprefix('refs/heads/')}"
    if branch in state.refs:
        accounts.require_write(call.account, call.key)
        return branch
    if revision.startswith("refs/pr/") and revision in state.refs:
        number = int(revision.rpartition("/")[2])
        author = discussions.numbered(state, number).author
        if call.account is None or call.account.name != author:
            accounts.require_write(call.account, call.key)
        return revision
    raise revision_not_found(revision)


def _line(call: Call, user: str, line: bytes) -> dict[str, Any] | Operation:
    """The header of a commit, or one of its operations."""
    match parse(line):
        case {"key": "header", "value": dict(header)}:
            return header
        case {"key": str(kind), "value": dict(value)}:
            return _operation(call, user, kind, value)
    raise Refusal(400, "A line of the commit is not {key, value}")


def _operation(call: Call, user: str, kind: str, value: dict[str, Any]) -> Operation:
    path = value.get("path")
    if kind in ("deletedFile", "deletedFolder") and isinstance(path, str):
        path = path.rstrip("/")
    path = check_path(path)
    match kind:
        case "file":
            charge = partial(call.store.quota.charge, user)
            return Add(path, call.store.blobs.put(_content(path, value), charge))
        case "lfsFile" if value.get("algo", "sha256") == "sha256" and is_sha256(value.get("oid")):
            size = _require_blob(call, user, value["oid"], value.get("size"))
            return Add(path, lfs_entry(value["oid"], size))
        case "deletedFile" | "deletedFolder":
            return Delete(path, folder=kind == "deletedFolder")
    raise Refusal(400, f"Not an operation of a commit: {kind!r:.50} on {path}")


def _content(path: str, value: dict[str, Any]) -> bytes:
    content, encoding = value.get("content"), value.get("encoding", "utf-8")
    if isinstance(content, str) and encoding == "utf-8":
        return content.encode()
    try:
        if isinstance(content, str) and encoding == "base64":
            return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        pass
    raise Refusal(400, f"{path}: content must be base64 or utf-8 text")
