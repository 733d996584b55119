"""Pictures as the 8 bits a channel that processors take; deeper ones are refused.

Pillow cuts off what lies above 255 where a picture has deeper pixels, so that most of it turns
white, and so does every program that gives such a picture to a stock image processor. Scaled here,
it would be measured as no user of the merge sees it.
Modes: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

DEEP = {"I;16": "16 bits", "I": "more than 8 bits", "F": "more than 8 bits"}
"""Beginnings of the names of Pillow's modes -> what pixels of these modes are."""


def to_mode(image: Image, mode: str) -> Image:
    """`image` in 8 bits a channel, as "L", "RGB" or "RGBA".

    Raises: ValueError, if its pixels are deeper; OSError and others of Pillow's, if it cannot be
    read.
    """
    image.load()
    for beginning, kind in DEEP.items():
        if image.mode.startswith(beginning):
            raise ValueError(
                f"its pixels have {kind}, which image processors cut off above 255 (mode "
                f"{image.mode}): save it with 8 bits a channel"
            )
    return image.convert(mode)
