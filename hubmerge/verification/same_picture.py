"""Whether a published PNG shows what is drawn from the report.

One version of matplotlib draws the same pixels everywhere. Another sets letters otherwise (of 3.10
and 3.11 a line of text ends up to 30 pixels apart), but lines, marks and words of the same colours
lie about where they did. What the words say is not read.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy.ndimage import maximum_filter, minimum_filter, uniform_filter

DRAWER = "Software"
"""Text field of a PNG that names what drew it."""
WINDOW = 8
"""Pixels; over windows of this side the mean is looked at."""
OFF = (12, 40)
"""Pixels that something may have moved up or down, and to the sides."""
GROWN = 8
"""Pixels by which a picture that ends with its text may be larger or smaller."""
LEVELS = 64.0
"""Most difference of a window's mean, of 255. Faint lines of 3.9 and 3.11 differ by 46; a line of a
curve adds 110 or more."""


@dataclass(frozen=True)
class Picture:
    """A PNG as it is seen.

    pixels: red, green and blue times opacity, and opacity, [height, width, 4] of 0 to 255.
    drawer: the program that it says drew it; None where it does not.
    """

    pixels: NDArray[np.float32]
    drawer: str | None


def why_another_picture(found: bytes, drawn: bytes) -> str | None:
    """Why a picture is not what is drawn from the report now, or None.

    Parameters:
        found: the published file.
        drawn: what is drawn now.
    """
    ours = _read(drawn, size=None)
    assert ours is not None
    theirs = _read(found, size=ours.pixels.shape[:2])
    if theirs is None:
        return "it is no PNG of this picture's size"
    if theirs.drawer == ours.drawer:
        same = np.array_equal(theirs.pixels, ours.pixels)
        return None if same else "it shows something else than the report's figures"
    height, width = np.minimum(theirs.pixels.shape[:2], ours.pixels.shape[:2])
    pair = [each.pixels[:height, :width] for each in (theirs, ours)]
    if _hides(*pair) or _hides(*reversed(pair)):
        return "it shows other curves than the report has figures for"
    return None


def _read(content: bytes, size: tuple[int, ...] | None) -> Picture | None:
    """None if it is no PNG, or not about as high and wide; nothing else is decoded."""
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(content), formats=["PNG"]) as image,
        ):
            sides = zip(image.size, reversed(size or ()), strict=False)
            if any(abs(side - like) > GROWN for side, like in sides):
                return None
            if getattr(image, "n_frames", 1) != 1:
                return None
            drawer = image.info.get(DRAWER)
            rgba = np.asarray(image.convert("RGBA"), dtype=np.float32)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        return None
    opacity = rgba[..., 3:]
    seen = np.concatenate([rgba[..., :3] * (opacity / 255), opacity], axis=2)
    return Picture(seen, None if drawer is None else str(drawer))


def _hides(these: NDArray[np.float32], those: NDArray[np.float32]) -> bool:
    """Whether there is a window of these whose mean none around its place in those has."""
    reach = (*(2 * off + 1 for off in OFF), 1)
    mine, other = (uniform_filter(each, (WINDOW, WINDOW, 1)) for each in (these, those))
    above = mine - maximum_filter(other, reach)
    below = minimum_filter(other, reach) - mine
    return bool(max(above.max(), below.max()) > LEVELS)
