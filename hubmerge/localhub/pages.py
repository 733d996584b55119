"""HTML pages: list of repositories, and card, files and history of each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse, Response

from hubmerge.localhub import accounts, cards, discussions, info, limits, trees
from hubmerge.localhub.links import COOKIE
from hubmerge.localhub.listing import visible
from hubmerge.localhub.names import TYPES, RepoKey, repo_key
from hubmerge.localhub.refusal import Refusal
from hubmerge.localhub.routing import Call, Routes

routes = Routes()
REPO = "/@{type}/{namespace}/{name}"
COMMITS_SHOWN = 10
AS_WRITTEN = '<p class="empty">This card takes too long to lay out.</p><pre>{}</pre>'

POLICY = "; ".join(
    [
        "default-src 'none'",
        "img-src 'self' data:",
        "style-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
"""No scripts and nothing from other hosts."""

_FOLDER = Path(__file__).parent / "templates"


def _size(number: float) -> str:
    """A number of bytes with its unit."""
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"


_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"size": _size, "day": lambda time: time[:16].replace("T", " ")}


def _page(template: str, status_code: int = 200, **values: object) -> HTMLResponse:
    html = _TEMPLATES.get_template(template).render(values)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "private, no-cache"}
    return HTMLResponse(html, status_code=status_code, headers=headers)


def refused(refusal: Refusal, headers: Mapping[str, str]) -> Response:
    """A refusal, for a browser."""
    page = _page("refused.html", refusal.status, message=refusal.message, status=refusal.status)
    page.headers.update(headers)
    return page


@routes("GET", "/-/style.css")
def style(call: Call) -> Response:
    return Response((_FOLDER / "style.css").read_text(encoding="utf-8"), media_type="text/css")


@routes("GET HEAD", "/@models/favicon.ico")
def no_icon(call: Call) -> Response:
    return Response(status_code=204)


@routes("GET", "/-/browse/{ticket}")
def browse(call: Call) -> Response:
    """Lets this browser see what the ticket's user can see."""
    user = call.links.check_ticket(call.values["ticket"])
    if user is None:
        raise Refusal(403, "This ticket was not made here")
    answer = RedirectResponse("/", status_code=303)
    answer.set_cookie(COOKIE, call.values["ticket"], httponly=True, samesite="strict")
    return answer


@routes("GET", "/")
@routes("GET", "/@{type}")
@routes("GET", "/@{type}/{namespace}")
def index(call: Call) -> Response:
    namespace, only = call.values.get("namespace"), call.values.get("type")
    if namespace is None and only is not None and only not in TYPES:
        raise Refusal(404, "Not found")
    found: dict[str, list[dict[str, Any]]] = {}
    for key, about in visible(call, namespace, None if namespace else only):
        found.setdefault(key.type, []).append({"key": key, "page": _link(key), "about": about})
    for group in found.values():
        group.sort(key=lambda item: item["about"]["lastModified"], reverse=True)
        del group[limits.LISTED :]
    return _page("index.html", found=found, title=namespace or "Embedded Hub", who=call.account)


@routes("GET", REPO)
@routes("GET", f"{REPO}/tree/{{revision}}")
def repository(call: Call) -> Response:
    key, state = call.key, call.state
    oid = call.store.resolve(state, call.revision)
    tree = call.store.commit(key, oid).tree
    about = info.describe(call.store, key, state, oid, files=False)
    may_read = accounts.can_open_files(call.account, key, state)
    resolve = f"{_link(key)}/resolve/{oid}/"
    card = info.text(call.store, tree, "README.md") if may_read else ""
    history = list(islice(call.store.history(key, oid), COMMITS_SHOWN + 1))
    files = sorted(tree.items())
    facts = ("license", "pipeline_tag", "library_name", "base_model_relation", "language")
    return _page(
        "repository.html",
        key=key,
        link=_link(key),
        about=about,
        state=state,
        revision=call.revision,
        oid=oid,
        may_read=may_read,
        card=_laid_out(call, card, resolve),
        facts={name: ", ".join(cards.strings(about["cardData"], name)) for name in facts},
        related={
            "base models": [
                (_known(call, "models", each), each)
                for each in cards.strings(about["cardData"], "base_model")
            ],
            "data sets": [
                (_known(call, "datasets", each), each)
                for each in cards.strings(about["cardData"], "datasets")
            ],
        },
        tags=cards.strings(about["cardData"], "tags"),
        files=[(path, resolve + quote(path), entry.size) for path, entry in files[: limits.SHOWN]],
        hidden=len(files) - limits.SHOWN,
        total=sum(entry.size for entry in tree.values()),
        history=history[:COMMITS_SHOWN],
        older=len(history) > COMMITS_SHOWN,
        who=call.account,
    )


@routes("GET", f"{REPO}/blob/{{revision}}/{{path*}}")
def blob(call: Call) -> Response:
    where = f"{_link(call.key)}/resolve/{quote(call.revision, safe='')}/{quote(call.path)}"
    return RedirectResponse(where, status_code=302)


@routes("GET", f"{REPO}/commit/{{revision}}")
def commit(call: Call) -> Response:
    call.require_files()
    oid = call.store.resolve(call.state, call.revision)
    found = call.store.commit(call.key, oid)
    before = call.store.commit(call.key, found.parents[0]).tree if found.parents else {}
    return _page(
        "commit.html",
        key=call.key,
        link=_link(call.key),
        oid=oid,
        commit=found,
        changed=trees.changed(before, found.tree),
        difference=discussions.difference(call, before, found.tree),
        who=call.account,
    )


@routes("GET", f"{REPO}/discussions/{{number}}")
def discussion(call: Call) -> Response:
    call.require_files()
    found = discussions.numbered(call.state, discussions.number(call))
    difference = ""
    if found.is_pull_request:
        base, _, theirs = discussions.sides(call.store, call.key, call.state, found)
        difference = discussions.difference(call, base, theirs)
    return _page(
        "discussion.html",
        key=call.key,
        link=_link(call.key),
        discussion=found,
        difference=difference,
        who=call.account,
    )


def _laid_out(call: Call, card: str, files: str) -> Markup:
    """The card as HTML, or as it was written where laying it out would take too long."""
    if not card:
        return Markup("")
    html = call.texts("render", card, files) if len(card) <= limits.LAID_OUT else None
    if html is not None:
        return Markup(html)
    return Markup(AS_WRITTEN).format(card)


def _link(key: RepoKey) -> str:
    return quote(key.page)


def _known(call: Call, type_: str, repo: str) -> str | None:
    """Page of a repository a card mentions, if it is on this Hub and the caller can see it."""
    namespace, _, name = repo.partition("/")
    key = repo_key(type_, namespace, name)
    state = call.store.state(key) if key else None
    if key is None or state is None or not accounts.can_see(call.account, key, state):
        return None
    return _link(key)
