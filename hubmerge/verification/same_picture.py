"""Whether a published PNG shows what is drawn from the report.

One version of matplotlib draws the same pixels everywhere. Another draws letters and edges a little
otherwise, but lines, marks and words of the same colour in the same places: seen coarsely, and give
or take some pixels, the two are the same.
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
OFF = 6
"""Pixels that something may have moved, to any side."""
LEVELS = 24.0
"""Most difference of a window's mean, of 255. A line that crosses a window adds 40 or more."""


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
    theirs, ours = _read(found, like=drawn), _read(drawn, like=drawn)
    if theirs is None or ours is None:
        return "it is no PNG of this picture's size"
    if theirs.drawer == ours.drawer:
        same = np.array_equal(theirs.pixels, ours.pixels)
        return None if same else "it shows something else than the report's figures"
    if _hides(theirs.pixels, ours.pixels) or _hides(ours.pixels, theirs.pixels):
        return "it shows other curves or words than the report has figures for"
    return None


def _read(content: bytes, like: bytes) -> Picture | None:
    """None if it is no PNG of the same size; nothing else is decoded."""
    with Image.open(io.BytesIO(like), formats=["PNG"]) as model:
        size = model.size
    try:
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(content), formats=["PNG"]) as image,
        ):
            if image.size != size or getattr(image, "n_frames", 1) != 1:
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
    reach = (2 * OFF + 1, 2 * OFF + 1, 1)
    mine, other = (uniform_filter(each, (WINDOW, WINDOW, 1)) for each in (these, those))
    above = mine - maximum_filter(other, reach)
    below = minimum_filter(other, reach) - mine
    return bool(max(above.max(), below.max()) > LEVELS)
