"""Pictures in rows of a data set: their own bytes, or files of the data set; nothing else.

A row can name any file of this machine, or an address; `datasets` would open or fetch it. It can
hold a picture of 20 kB with billions of pixels. So rows are read without being decoded, and opened
here.
"""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hubmerge.data.pixels import to_mode
from hubmerge.utils.limits import PICTURE_BYTES, PIXELS
from hubmerge.utils.untrusted import Unreadable, read_bytes

if TYPE_CHECKING:
    from datasets import Dataset
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "DIB", "TIFF", "PPM", "JPEG2000", "AVIF")
"""Formats that are read. Others of Pillow's are rare, and some run programs (EPS)."""

ZIPPED = "zip://"
"""How `datasets` begins the name of what lies in an archive: zip://INNER::ARCHIVE."""


@dataclass(frozen=True)
class Place:
    """Where the files of a data set lie.

    Parameters:
        folder: the data set's own, absolute.
        within: where links in it may lead; None for a folder of the user's own, whose links are
            followed.
    """

    folder: Path
    within: Path | None = None

    def file(self, named: str) -> Path:
        """The file that a row names. Raises: Unreadable, unless it is one of the data set's."""
        path = Path(os.path.normpath(named))
        if (
            not (path.is_absolute() and path.is_relative_to(self.folder))
            or "\0" in named
            or "://" in named
        ):
            raise Unreadable(f"it names {named!r}, which is no file of the data set")
        refuse_stray(path, self.within)
        return path


NOWHERE = Place(Path(os.devnull))
"""Of rows that may name no file."""


def content_of(named: str, place: Place) -> bytes:
    """A file of the data set, or what a zip archive of it holds. Raises: Unreadable, OSError."""
    inner, hop, archive = named.removeprefix(ZIPPED).partition("::")
    if not (named.startswith(ZIPPED) and hop):
        return read_bytes(place.file(named), PICTURE_BYTES)
    try:
        with zipfile.ZipFile(place.file(archive)) as opened:
            if opened.getinfo(inner).file_size > PICTURE_BYTES:
                raise Unreadable(f"it has more than {PICTURE_BYTES:,} bytes")
            with opened.open(inner) as file:
                return file.read(PICTURE_BYTES + 1)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise Unreadable(f"{archive!r} does not hold it: {error}") from error


def refuse_stray(path: Path, within: Path | None) -> None:
    """Raises: Unreadable, if `path` leads out of `within`, or to a device, a pipe or a socket.

    within: None: links may lead anywhere.
    """
    real = Path(os.path.realpath(path))
    if within is not None and not real.is_relative_to(os.path.realpath(within)):
        raise Unreadable(f"{path.name!r} leads out of the data set")
    if path.exists() and not path.is_file() and not path.is_dir():
        raise Unreadable(f"{path.name!r} is neither a file nor a folder")


def undecoded(rows: Dataset) -> Dataset:
    """`rows` whose pictures are left as they are stored: their bytes, or the name of a file."""
    from datasets import Image

    for name, kind in rows.features.items():
        if isinstance(kind, Image):
            rows = rows.cast_column(name, Image(mode=kind.mode, decode=False))
    return rows


def open_picture(cell: Any, place: Place, mode: str | None = None) -> Image:
    """The picture in a cell of an undecoded column, upright, in the mode the data set declares.

    cell: has "bytes", or the "path" of a file.
    Raises: Unreadable, if it is none, is larger than `PIXELS`, or lies elsewhere; OSError and
    others of Pillow's, if it is damaged.
    """
    import PIL.ExifTags
    import PIL.Image
    import PIL.ImageOps

    if isinstance(cell, PIL.Image.Image):
        return cell
    if isinstance(cell, bytes):
        cell = {"bytes": cell}
    if not isinstance(cell, dict):
        raise Unreadable("there is none")
    content, named = cell.get("bytes"), cell.get("path")
    if content is None:
        if not isinstance(named, str):
            raise Unreadable("there is none")
        content = content_of(named, place)
    try:
        image: Image = PIL.Image.open(io.BytesIO(content), formats=FORMATS)
    except PIL.UnidentifiedImageError:
        raise Unreadable(f"it is none of these: {', '.join(FORMATS)}") from None
    width, height = image.size
    if width * height > PIXELS:
        raise Unreadable(f"it has {width} x {height} pixels, at most {PIXELS:,} are read")
    image.load()
    if image.getexif().get(PIL.ExifTags.Base.Orientation) is not None:
        image = PIL.ImageOps.exif_transpose(image)
    return to_mode(image, mode) if mode and mode != image.mode else image
