"""Pictures deeper than 8 bits are refused, all others converted as Pillow does."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from hubmerge.data.pixels import to_mode

VALUES = np.arange(64, dtype=np.uint16).reshape(8, 8) * 1040
GREY = np.round(VALUES / 257).astype(np.uint8)


def stored(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    """As it is read from a file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return Image.open(file)


def netpbm(values: np.ndarray, white: int) -> Image.Image:
    return Image.open(io.BytesIO(f"P5 8 8 {white}\n".encode() + values.astype(">u2").tobytes()))


DEEP = {
    "png": lambda: stored(Image.fromarray(VALUES), "PNG"),
    "tiff": lambda: stored(Image.fromarray(VALUES), "TIFF"),
    "big-endian tiff": lambda: stored(Image.fromarray(VALUES.astype(">u2")), "TIFF"),
    "jpeg 2000": lambda: stored(Image.fromarray(VALUES), "JPEG2000", irreversible=False),
    "an array": lambda: Image.fromarray(VALUES),
    "a big-endian array": lambda: Image.fromarray(VALUES.astype(">u2")),
    "pgm": lambda: netpbm(VALUES, 65535),
    "pgm of ten bits": lambda: netpbm(VALUES // 64, 1023),
    "integers": lambda: stored(Image.fromarray(VALUES.astype(np.int32)), "TIFF"),
    "floats": lambda: stored(Image.fromarray(VALUES.astype(np.float32)), "TIFF"),
    "signed": lambda: stored(Image.fromarray(VALUES // 2), "TIFF", tiffinfo={339: 2}),
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_deeper_pictures_are_refused(kind: str, mode: str) -> None:
    with pytest.raises(ValueError, match="8 bits a channel"):
        to_mode(DEEP[kind](), mode)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "RGBA", "YCbCr", "HSV", "PA"])
def test_eight_bits_are_as_they_are(mode: str) -> None:
    image = Image.fromarray(GREY).convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    assert np.array_equal(np.asarray(to_mode(image, "RGB")), np.asarray(image.convert("RGB")))
