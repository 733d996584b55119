"""References to models that are made of others: with adapters, or of a part of the layers.

BASE+ADAPTER    BASE+ADAPTER+ADAPTER    MODEL[0:8]    BASE+ADAPTER[8:16]
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from hubmerge.utils.pinned_refs import CONTENT, PINNED

LAYERS = re.compile(r"(?P<whole>.+)\[(?P<first>\d{1,5}):(?P<end>\d{1,5})\]", re.DOTALL)
PLACES = ("/", "./", "../", "~")
"""What paths begin with."""


def folder_ref(path: Path) -> str:
    """A path as the name of a folder or a file, which no id of the Hub can be."""
    text = str(path)
    return text if text.startswith(PLACES) else f"./{text}"


@dataclass(frozen=True)
class ModelRef:
    """base: what is loaded. adapters: what is added to it, in their order. layers: number of the
    first layer that is taken, and of the first that is not; None for all.
    """

    base: str
    adapters: tuple[str, ...] = ()
    layers: tuple[int, int] | None = None

    @property
    def text(self) -> str:
        """As it is written."""
        part = "" if self.layers is None else f"[{self.layers[0]}:{self.layers[1]}]"
        return "+".join((self.base, *self.adapters)) + part

    @property
    def plain(self) -> bool:
        """Whether it is a model as it is stored."""
        return not self.adapters and self.layers is None


def parse_model_ref(text: str) -> ModelRef:
    """A reference, understood. A `+` within a revision divides nothing."""
    layers = None
    if found := LAYERS.fullmatch(text):
        text, layers = found["whole"], (int(found["first"]), int(found["end"]))
    parts = [""]
    for piece in text.split("+"):
        if parts[-1] and _begins(parts[-1], piece):
            parts.append(piece)
        else:
            parts[-1] = f"{parts[-1]}+{piece}" if parts[-1] else piece
    if CONTENT.fullmatch(parts[-1]) and not all(map(_is_pinned, parts)):
        parts = ["+".join(parts)]  # a folder with such a name
    return ModelRef(parts[0], tuple(parts[1:]), layers)


def _begins(before: str, piece: str) -> bool:
    """Whether what follows a `+` is a reference of its own, and no part of a revision."""
    if not piece:
        return False
    if "@" in before and not _is_pinned(before):
        return "/" in piece or piece.startswith(PLACES) or _is_pinned(piece)
    return True


def _is_pinned(ref: str) -> bool:
    return bool(PINNED.fullmatch(ref) or CONTENT.fullmatch(ref))
