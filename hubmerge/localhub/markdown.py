"""A card's Markdown as HTML that is safe to show: whatever the card's author wrote.

Of raw HTML only a few tags without attributes take effect, the rest is shown as text; links with
a scheme that could run something are dropped by markdown-it; relative links and images lead to
the repository's own files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from urllib.parse import quote, unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

from hubmerge.localhub import cards

_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_HARMLESS = re.compile(
    r"</?(?:code|details|summary|br|b|i|em|strong|sub|sup|kbd|p|ul|ol|li)\s*/?>", re.IGNORECASE
)
_PARSER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def render(card: str, files: str) -> Markup:
    """HTML of a card; `files` is the address that relative links start from, ending in `/`."""
    _, body = cards.split(card)
    tokens = _PARSER.parse(_COMMENT.sub("", body))
    for token in _all(tokens):
        name = {"link_open": "href", "image": "src"}.get(token.type)
        if name is not None:
            token.attrSet(name, _address(str(token.attrGet(name) or ""), files))
        if token.type == "link_open":
            token.attrSet("rel", "noopener nofollow")
    return Markup(_PARSER.renderer.render(tokens, _PARSER.options, {}))


def _raw(renderer: object, tokens: Sequence[Token], at: int, *rest: object) -> str:
    """A piece of raw HTML: its harmless tags as they are, everything else as text."""
    content, shown, done = tokens[at].content, "", 0
    for tag in _HARMLESS.finditer(content):
        shown += _text(content[done : tag.start()]) + tag.group()
        done = tag.end()
    return shown + _text(content[done:])


def _text(content: str) -> str:
    """Text between tags: what is escaped already stays as it is."""
    return str(escape(unescape(content)))


_PARSER.add_render_rule("html_inline", _raw)
_PARSER.add_render_rule("html_block", _raw)


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
