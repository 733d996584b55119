"""Accounts, repositories, their description, files, branches and tags: `/api/…`."""

from __future__ import annotations

from itertools import islice
from typing import Any
from urllib.parse import parse_qs, urlencode

from starlette.responses import JSONResponse, Response

from hubmerge.localhub import accounts, cards, info, limits, trees
from hubmerge.localhub.listing import visible
from hubmerge.localhub.names import TYPES, RepoKey, is_name, repo_key
from hubmerge.localhub.refusal import Refusal, entry_not_found
from hubmerge.localhub.routing import Call, Routes

routes = Routes()
REPO = "/api/{type}/{namespace}/{name}"


# Accounts and cards


@routes("GET", "/api/whoami-v2")
def whoami(call: Call) -> Response:
    account = accounts.require_account(call.account)
    orgs: list[str] = []
    if account.role == "admin":
        orgs = sorted({key.namespace for key in call.store.repositories()} - {account.name})
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
    if account.role != "admin" and call.store.count(key.namespace) >= limits.REPOSITORIES:
        raise Refusal(403, f"A user has at most {limits.REPOSITORIES} repositories here")
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
    gated = asked.get("gated", False)
    if gated is not False and gated not in ("auto", "manual"):
        raise Refusal(400, f'gated is "auto", "manual" or false, not {gated!r:.50}')
    with call.store.changing(call.key) as state:
        if visibility is not None:
            state.private = visibility == "private"
        if "gated" in asked:
            state.gated = gated
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
    """What the caller can see and the query asks for, the first of it."""
    if call.values["type"] not in TYPES:
        raise Refusal(404, "Not found")
    query = call.request.query_params
    order = query.get("sort", "createdAt")
    if order not in ("createdAt", "lastModified", "downloads", "likes", "trendingScore"):
        raise Refusal(400, f"Cannot sort by {order!r:.50}")
    wanted = set(query.getlist("filter")) | set(query.getlist("pipeline_tag"))
    files = call.flag("full") or "siblings" in query.getlist("expand")
    words = query.get("search", "").lower()
    listed = visible(call, query.get("author"), call.values["type"], words, files)
    found = [about for _, about in listed if wanted <= set(about["tags"])]
    found.sort(key=lambda item: item.get(order, 0), reverse=True)
    return JSONResponse(found[: _limit(call, limits.LISTED)])


# One repository at one revision


@routes("GET", REPO)
@routes("GET", f"{REPO}/revision/{{revision}}")
def repo_info(call: Call) -> Response:
    oid = call.store.resolve(call.state, call.revision)
    answer = info.describe(call.store, call.key, call.state, oid, call.flag("blobs"))
    if asked := call.request.query_params.getlist("expand"):
        if "evalResults" in asked:
            answer["evalResults"] = info.eval_results(call.store, call.key, oid)
        answer = {name: answer[name] for name in ("_id", "id", *asked) if name in answer}
    return JSONResponse(answer)


@routes("GET", f"{REPO}/tree/{{revision}}")
@routes("GET", f"{REPO}/tree/{{revision}}/{{path*}}")
def tree(call: Call) -> Response:
    oid = call.store.resolve(call.state, call.revision)
    files = call.store.commit(call.key, oid).tree
    if call.path and next(trees.under(files, call.path), None) is None:
        raise entry_not_found(call.path, oid)
    paths = trees.listing(files, call.path, call.flag("recursive"))
    return JSONResponse(info.items(call.store, call.key, oid, paths, call.flag("expand")))


@routes("POST", f"{REPO}/paths-info/{{revision}}")
def paths_info(call: Call) -> Response:
    if "json" in call.request.headers.get("content-type", ""):
        asked = call.json()
        paths, expand = cards.as_list(asked.get("paths")), asked.get("expand") is True
    else:
        form = _form(call)
        paths, expand = form.get("paths", []), form.get("expand", [""])[0].lower() in ("true", "1")
    if len(paths) > limits.PATHS:
        raise Refusal(413, f"Ask for at most {limits.PATHS:,} paths at once")
    oid = call.store.resolve(call.state, call.revision)
    wanted = [path.strip("/") for path in paths if isinstance(path, str)]
    return JSONResponse(info.items(call.store, call.key, oid, wanted, expand))


@routes("GET", f"{REPO}/commits/{{revision}}")
def commits(call: Call) -> Response:
    """One page of the history; the header `Link` names the next one."""
    oid = call.store.resolve(call.state, call.request.query_params.get("from", call.revision))
    most = max(1, _limit(call, limits.PAGE))
    page = list(islice(call.store.history(call.key, oid), most + 1))
    headers = {}
    if len(page) > most:
        after, _ = page.pop()
        here = call.base + call.request.scope["raw_path"].decode("latin-1")
        headers["Link"] = f'<{here}?{urlencode({"from": after, "limit": most})}>; rel="next"'
    answer = [
        {
            "id": each,
            "title": commit.title,
            "message": commit.message,
            "date": commit.date,
            "authors": [{"user": commit.author}],
        }
        for each, commit in page
    ]
    return JSONResponse(answer, headers=headers)


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


def _limit(call: Call, most: int) -> int:
    """How many the query asks for, at most `most`."""
    text = call.request.query_params.get("limit", "")
    return min(int(text), most) if text.isdecimal() and len(text) < 10 else most


def _form(call: Call) -> dict[str, list[str]]:
    try:
        text = call.body.decode("utf-8", errors="replace")
        return parse_qs(text, keep_blank_values=True, max_num_fields=limits.PATHS + 10)
    except ValueError:
        raise Refusal(413, f"Ask for at most {limits.PATHS:,} paths at once") from None


def _string(value: object, name: str) -> str:
    if not isinstance(value, str) or not value:
        raise Refusal(400, f"{name} must be a string")
    return value
