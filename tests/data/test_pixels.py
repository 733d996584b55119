"""Pictures of any depth become the 8 bits that their values stand for, or are refused."""

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
}


@pytest.mark.parametrize("kind", DEEP)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_sixteen_bits_are_scaled(kind: str, mode: str) -> None:
    found = np.asarray(to_mode(DEEP[kind](), mode))
    assert found.dtype == np.uint8
    grey = found if mode == "L" else found[..., 0]
    assert np.array_equal(grey, GREY)


def test_the_brightest_value_of_a_dark_picture_does_not_decide() -> None:
    dark = to_mode(stored(Image.fromarray(VALUES // 16), "PNG"), "L")
    assert np.asarray(dark).max() == 16


def test_white_is_what_the_file_says() -> None:
    ten_bits = (VALUES // 64).astype(int)
    found = np.asarray(to_mode(netpbm(ten_bits, 1023), "L")).astype(int)
    assert np.abs(found - ten_bits * 255 / 1023).max() <= 1
    inverted = stored(Image.fromarray(VALUES), "TIFF", tiffinfo={262: 0})
    assert np.array_equal(np.asarray(to_mode(inverted, "L")), 255 - GREY)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "RGBA", "YCbCr", "HSV", "PA"])
def test_eight_bits_are_as_they_are(mode: str) -> None:
    image = Image.fromarray(GREY).convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    assert np.array_equal(np.asarray(to_mode(image, "RGB")), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_numbers_without_a_range_are_refused(dtype: Any) -> None:
    with pytest.raises(ValueError, match="nothing says which of them is white"):
        to_mode(stored(Image.fromarray(VALUES.astype(dtype)), "TIFF"), "RGB")


def test_signed_pixels_are_refused() -> None:
    image = stored(Image.fromarray(VALUES // 2), "TIFF", tiffinfo={339: 2})
    with pytest.raises(ValueError, match="unsigned bits"):
        to_mode(image, "RGB")
