"""A card's Markdown as HTML that is safe to show.

nh3 keeps the elements and attributes of Markdown and drops everything else, scripts with their
content. Relative links and images lead to the repository's own files.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from urllib.parse import quote, unquote, urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from hubmerge.localhub import cards

TAGS = frozenset(
    [
        "a",
        "b",
        "blockquote",
        "br",
        "code",
        "del",
        "details",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "kbd",
        "li",
        "ol",
        "p",
        "pre",
        "s",
        "strong",
        "sub",
        "summary",
        "sup",
        "table",
        "tbody",
        "td",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)
"""Elements that a card may use."""
ATTRIBUTES = {
    "a": {"href", "title"},
    "code": {"class"},
    "img": {"src", "alt", "title"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
}
STYLES = {"text-align"}
SCHEMES = {"http", "https", "mailto"}
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render(card: str, files: str) -> Markup:
    """HTML of a card; `files` is the address that relative links start from, ending in `/`."""
    _, body = cards.split(card)
    tokens = _PARSER.parse(body)
    for token in _all(tokens):
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            token.attrSet(name, _address(str(token.attrGet(name) or ""), files))
    html = _PARSER.renderer.render(tokens, _PARSER.options, {})
    return Markup(
        nh3.clean(
            html,
            tags=set(TAGS),
            attributes=ATTRIBUTES,
            filter_style_properties=STYLES,
            url_schemes=SCHEMES,
            link_rel="noopener nofollow",
        )
    )


def _all(tokens: Iterable[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _all(token.children or ())


def _address(link: str, files: str) -> str:
    """`link` as it is if it is absolute or inside the page, otherwise below `files`."""
    try:
        parts = urlsplit(link)
    except ValueError:
        return "#"
    if parts.scheme or parts.netloc or link.startswith(("/", "#")):
        return link
    path = posixpath.normpath(unquote(parts.path))
    if path.startswith(".."):
        return "#"
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return files + quote(path) + fragment
