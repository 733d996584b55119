"""Making other people's text inert: ids, labels and notes are data wherever they are shown."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata

from markupsafe import Markup

_ACTIVE = re.compile(
    r"""[&<>"'`|*_\[\]{}!#~^$\\@]   # marks of HTML, CommonMark, GitHub's extensions and LaTeX
      | :(?=\S)                     # what makes an address a link, or a word an emoji
      | ^[-+](?=\s|$) | ^\d+[.)](?=\s|$) | ^[-=]+$   # what starts a list or a heading""",
    re.VERBOSE,
)


def one_line(text: str) -> str:
    """`text` on one line, without control, formatting or unassigned characters.

    That takes out terminal escapes, newlines that end a table row and marks that reorder text.
    """
    visible = (" " if unicodedata.category(mark)[0] in "CZ" else mark for mark in text)
    return " ".join("".join(visible).split())


def markdown(text: object) -> Markup:
    """`text` as inline Markdown that shows exactly it: every mark as a character reference."""
    if isinstance(text, Markup):
        return text
    return Markup(_ACTIVE.sub(_references, one_line(str(text))))


def code(text: str) -> Markup:
    """`text` in a fixed-width face."""
    return Markup("<code>{}</code>").format(markdown(text))


def python_string(text: str) -> Markup:
    """`text` as a Python string literal that is safe inside a fenced block."""
    quoted = json.dumps(one_line(text), ensure_ascii=False)
    return Markup(re.sub(r"[<>&`]", lambda found: f"\\u{ord(found[0]):04x}", quoted))


def shell_word(text: str) -> Markup:
    """`text` as one word of a command, safe inside a fenced block."""
    return Markup(shlex.quote(one_line(text)).replace("`", ""))


def _references(found: re.Match[str]) -> str:
    return "".join(f"&#{ord(mark)};" for mark in found[0])
