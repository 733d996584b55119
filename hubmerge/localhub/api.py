"""Accounts, repositories, their description, files, branches and tags: `/api/…`."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

from starlette.responses import JSONResponse, Response

from hubmerge.localhub import accounts, cards, info, trees
from hubmerge.localhub.names import TYPES, RepoKey, is_name, repo_key
from hubmerge.localhub.refusal import Refusal, entry_not_found
from hubmerge.localhub.routing import Call, Routes
from hubmerge.localhub.store import MAIN

routes = Routes()
REPO = "/api/{type}/{namespace}/{name}"


# Accounts and cards


@routes("GET", "/api/whoami-v2")
def whoami(call: Call) -> Response:
    account = accounts.require_account(call.account)
    namespaces = {key.namespace for key in call.store.repositories()}
    orgs = sorted(namespaces - {account.name}) if account.role == "admin" else []
    role = "read" if account.role == "read" else "write"
    token = {"role": role, "displayName": "embedded Hub", "type": "access_token"}
    return JSONResponse(
        {
            "type": "user",
            "id": account.name,
            "name": account.name,
            "fullname": account.name,
            "isPro": False,
            "orgs": [{"type": "org", "name": name} for name in orgs],
            "auth": {"type": "access_token", "accessToken": token},
        }
    )


@routes("POST", "/api/validate-yaml")
def validate_yaml(call: Call) -> Response:
    content = call.json().get("content")
    if not isinstance(content, str):
        raise Refusal(400, "No content to validate", fields={"errors": [], "warnings": []})
    errors, warnings = cards.problems(content)
    answer = {
        "errors": [{"message": message} for message in errors],
        "warnings": [{"message": message} for message in warnings],
    }
    return JSONResponse(answer, status_code=400 if errors else 200)


@routes("GET", "/api/agent-harnesses")
def agent_harnesses(call: Call) -> Response:
    return JSONResponse({"standardEnvVars": [], "harnesses": {}})


@routes("HEAD", "/api/telemetry/{path*}")
def telemetry(call: Call) -> Response:
    """Answered so that clients do not wait; nothing is recorded."""
    return Response()


# Repositories


@routes("POST", "/api/repos/create")
def create_repo(call: Call) -> Response:
    account = accounts.require_account(call.account)
    asked = call.json()
    key = _named(call, asked)
    if not accounts.can_write_in(account, key.namespace):
        what = f"{account.name} ({account.role}) may not create a repository in {key.namespace}"
        raise Refusal(403, what)
    private = asked.get("visibility") == "private" or asked.get("private") is True
    answer = {"url": call.base + key.page, "name": key.id, "id": key.id}
    if not call.store.create(key, account.name, private):
        message = f"You already created this {key.singular} repo: {key.id}"
        raise Refusal(409, message, fields=answer)
    return JSONResponse(answer)


@routes("DELETE", "/api/repos/delete")
def delete_repo(call: Call) -> Response:
    accounts.require_account(call.account)
    key = _named(call, call.json())
    call.visible(key)
    accounts.require_write(call.account, key)
    call.store.delete(key)
    return JSONResponse({})


@routes("PUT", f"{REPO}/settings")
def settings(call: Call) -> Response:
    call.writer()
    asked = call.json()
    visibility = asked.get("visibility")
    if visibility not in (None, "public", "private"):
        raise Refusal(400, f"visibility is public or private, not {visibility!r:.50}")
    if asked.get("gated", False) not in ("auto", "manual", False):
        raise Refusal(400, f'gated is "auto", "manual" or false, not {asked["gated"]!r:.50}')
    with call.store.changing(call.key) as state:
        if visibility is not None:
            state.private = visibility == "private"
        if "gated" in asked:
            state.gated = asked["gated"]
    return JSONResponse({"private": state.private, "gated": state.gated})


@routes("POST", f"{REPO}/user-access-request/grant")
def grant_access(call: Call) -> Response:
    call.writer()
    user = call.json().get("user")
    if user not in call.users.names():
        raise Refusal(404, f"No such user: {user!r:.100}")
    with call.store.changing(call.key) as state:
        if user in state.granted:
            raise Refusal(400, f"{user} has access already")
        state.granted.append(user)
    return JSONResponse({})


@routes("GET", f"{REPO}/auth-check")
def auth_check(call: Call) -> Response:
    call.require_files()
    return JSONResponse({})


@routes("GET", f"{REPO}/auth-check/write")
def auth_check_write(call: Call) -> Response:
    call.require_files()
    call.writer()
    return JSONResponse({})


@routes("GET", "/api/{type}")
def list_repos(call: Call) -> Response:
    """Everything the caller can see and the query asks for, on one page."""
    if call.values["type"] not in TYPES:
        raise Refusal(404, "Not found")
    query = call.request.query_params
    wanted = set(query.getlist("filter")) | set(query.getlist("pipeline_tag"))
    found: list[dict[str, Any]] = []
    for key in call.store.repositories():
        state = call.store.state(key)
        if key.type != call.values["type"] or state is None:
            continue
        if not accounts.can_see(call.account, key, state):
            continue
        if query.get("author", key.namespace) != key.namespace:
            continue
        if query.get("search", "").lower() not in key.id.lower():
            continue
        item = info.describe(call.store, key, state, state.refs[MAIN], blobs=False)
        if wanted <= set(item["tags"]):
            found.append(item)
    order = query.get("sort", "createdAt")
    if order not in ("createdAt", "lastModified", "downloads", "likes", "trendingScore"):
        raise Refusal(400, f"Cannot sort by {order!r:.50}")
    found.sort(key=lambda item: item.get(order, 0), reverse=True)
    limit = query.get("limit", "")
    return JSONResponse(found[: int(limit)] if limit.isdecimal() else found)


# One repository at one revision


@routes("GET", REPO)
@routes("GET", f"{REPO}/revision/{{revision}}")
def repo_info(call: Call) -> Response:
    oid = call.store.resolve(call.state, call.revision)
    answer = info.describe(call.store, call.key, call.state, oid, call.flag("blobs"))
    if asked := call.request.query_params.getlist("expand"):
        answer = {name: answer[name] for name in ("_id", "id", *asked) if name in answer}
    return JSONResponse(answer)


@routes("GET", f"{REPO}/tree/{{revision}}")
@routes("GET", f"{REPO}/tree/{{revision}}/{{path*}}")
def tree(call: Call) -> Response:
    oid = call.store.resolve(call.state, call.revision)
    files = call.store.commit(call.key, oid).tree
    if not trees.is_folder(files, call.path):
        raise entry_not_found(call.path, oid)
    paths = trees.listing(files, call.path, call.flag("recursive"))
    return JSONResponse(info.items(call.store, call.key, oid, paths, call.flag("expand")))


@routes("POST", f"{REPO}/paths-info/{{revision}}")
def paths_info(call: Call) -> Response:
    if "json" in call.request.headers.get("content-type", ""):
        asked = call.json()
        paths, expand = cards.as_list(asked.get("paths")), asked.get("expand") is True
    else:
        form = parse_qs(call.body.decode("utf-8", errors="replace"), keep_blank_values=True)
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() in ("true", "1")
    oid = call.store.resolve(call.state, call.revision)
    wanted = [path.strip("/") for path in paths if isinstance(path, str)]
    return JSONResponse(info.items(call.store, call.key, oid, wanted, expand))


@routes("GET", f"{REPO}/commits/{{revision}}")
def commits(call: Call) -> Response:
    oid = call.store.resolve(call.state, call.revision)
    return JSONResponse(
        [
            {
                "id": each,
                "title": commit.title,
                "message": commit.message,
                "date": commit.date,
                "authors": [{"user": commit.author}],
            }
            for each, commit in call.store.history(call.key, oid)
        ]
    )


# Branches and tags


@routes("GET", f"{REPO}/refs")
def refs(call: Call) -> Response:
    def named(prefix: str) -> list[dict[str, str]]:
        return [
            {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
            for ref, oid in sorted(call.state.refs.items())
            if ref.startswith(prefix)
        ]

    answer = {"branches": named("refs/heads/"), "tags": named("refs/tags/"), "converts": []}
    if call.flag("include_prs"):
        answer["pullRequests"] = [ref | {"name": ref["ref"]} for ref in named("refs/pr/")]
    return JSONResponse(answer)


@routes("POST", f"{REPO}/branch/{{branch}}")
def create_branch(call: Call) -> Response:
    call.writer()
    start = _string(call.json().get("startingPoint", "main"), "startingPoint")
    call.store.add_ref(call.key, "heads", call.values["branch"], start)
    return JSONResponse({})


@routes("DELETE", f"{REPO}/branch/{{branch}}")
def delete_branch(call: Call) -> Response:
    call.writer()
    call.store.remove_ref(call.key, "heads", call.values["branch"])
    return JSONResponse({})


@routes("POST", f"{REPO}/tag/{{revision}}")
def create_tag(call: Call) -> Response:
    call.writer()
    name = _string(call.json().get("tag"), "tag")
    call.store.add_ref(call.key, "tags", name, call.revision)
    return JSONResponse({})


@routes("DELETE", f"{REPO}/tag/{{revision}}")
def delete_tag(call: Call) -> Response:
    call.writer()
    call.store.remove_ref(call.key, "tags", call.revision)
    return JSONResponse({})


def _named(call: Call, asked: dict[str, Any]) -> RepoKey:
    """The repository a body names by `name`, `organization` and `type`."""
    owner = call.account.name if call.account else ""
    name, namespace = asked.get("name"), asked.get("organization") or owner
    if not (isinstance(name, str) and isinstance(namespace, str)):
        raise Refusal(400, "name and organization must be strings")
    if "/" in name:
        namespace, _, name = name.partition("/")
    type_ = asked.get("type") or "model"
    key = repo_key(f"{type_}s", namespace, name)
    if key is None:
        what = name if is_name(namespace) else namespace
        raise Refusal(400, f"Not a repository name of this Hub: {what!r:.120} ({type_!r:.20})")
    return key


def _string(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name} must be a string")
    return value
