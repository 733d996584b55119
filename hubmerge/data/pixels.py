"""Pictures of any depth as the 8 bits a channel that processors take.

Pillow cuts off what lies above 255 where a picture has deeper pixels, so that most of it turns
white. Here 16-bit pictures are scaled: 0 to 65,535 becomes 0 to 255, rounded, whatever the values
in one picture are; 12-bit ones in a TIFF from 4,095. 32-bit integers and floating-point numbers
have no range that a file states, so they are refused.
Modes: https://pillow.readthedocs.io/en/stable/handbook/concepts.html#modes
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

FULL = 65535
"""White in 16 bits."""

NETPBM_AND_PNG = ("PNG", "PPM", "MIC")
"""Formats whose pixels of mode "I" are 16 bits wide, stretched to that range by Pillow."""

BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339
"""Numbers of TIFF's tags. Source: TIFF 6.0 (1992), sections 4, 8 and 19."""

WHITE_IS_ZERO, UNSIGNED = 0, 1


def to_mode(image: Image, mode: str) -> Image:
    """`image` in 8 bits a channel, as "L", "RGB" or "RGBA".

    Raises: ValueError, if nothing says which of its numbers is white; OSError and others of
    Pillow's, if it cannot be read.
    """
    image.load()
    if image.mode.startswith("I;16"):
        return _scaled(image, *_range(image)).convert(mode)
    if image.mode == "I" and image.format in NETPBM_AND_PNG:
        return _scaled(image, FULL, False).convert(mode)
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise ValueError(
            f"its pixels are {kind}, and nothing says which of them is white: save it with 8 or 16 "
            "unsigned bits"
        )
    return image.convert(mode)


def _range(image: Image) -> tuple[int, bool]:
    """The number that is white in a 16-bit picture (black, if the second is true)."""
    tags = getattr(image, "tag_v2", None) or {}
    bits = tags.get(BITS_PER_SAMPLE, (16,))
    kept = tags.get(SAMPLE_FORMAT, (UNSIGNED,))
    if (kept[0] if isinstance(kept, tuple) else kept) != UNSIGNED:
        raise ValueError("its pixels are signed: save it with 8 or 16 unsigned bits")
    depth = int(bits[0] if isinstance(bits, tuple) else bits)
    return 2**depth - 1, tags.get(PHOTOMETRIC) == WHITE_IS_ZERO


def _scaled(image: Image, full: int, inverted: bool) -> Image:
    import PIL.Image

    values = np.asarray(image).astype(np.int64).clip(0, full)
    grey = ((values * 255 * 2 + full) // (2 * full)).astype(np.uint8)
    return PIL.Image.fromarray(255 - grey if inverted else grey, "L")
