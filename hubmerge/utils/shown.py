"""Objects as Python sessions and notebooks show them: one line, or the text of the terminal."""

from __future__ import annotations

from html import escape
from importlib import import_module
from typing import ClassVar


class Shown:
    """Mixin for results: a `repr` of one line, and all of it by `print` and in notebooks.

    text_by, html_by: "module:function" that makes the text, and the HTML, of one; what shows an
    object may lie above it. Without `html_by` notebooks show the text.
    """

    text_by: ClassVar[str]
    html_by: ClassVar[str | None] = None

    def _summary(self) -> str:
        """What the one line says after the class's name."""
        return str(self).partition("\n")[0]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._summary()}>"

    def __str__(self) -> str:
        return self._made_by(self.text_by)

    def _repr_html_(self) -> str:
        return self._made_by(self.html_by) if self.html_by else f"<pre>{escape(str(self))}</pre>"

    def _repr_markdown_(self) -> str:
        return f"```text\n{str(self).replace('```', '` ` `')}\n```"

    def _made_by(self, place: str) -> str:
        module, _, function = place.partition(":")
        made: str = getattr(import_module(module), function)(self)
        return made
