"""Which files a data set consists of: those of its own folder, whatever its card says.

A card can name files anywhere on this machine or on the network, and `datasets` opens them. A
compressed file can be small and become large. Both are looked at before anything is read.
"""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hubmerge.data.column_count import refuse_columns
from hubmerge.data.expansion import refuse_expansion
from hubmerge.data.json_rows import refuse_json
from hubmerge.data.pictures import refuse_stray
from hubmerge.data.reader_options import refuse_reader_options
from hubmerge.errors import DataError
from hubmerge.utils.lfs import FETCH, is_pointer_file
from hubmerge.utils.limits import (
    CARD_BYTES,
    FRONT_MATTER_BYTES,
    REPORT_BYTES,
)
from hubmerge.utils.untrusted import Unreadable, read_json, read_text
from hubmerge.utils.untrusted_yaml import front_matter, read_yaml

README, SETTINGS = "README.md", ".huggingface.yaml"
"""Where `datasets` reads which files are data."""
FORMATS = ("arrow", "csv", "imagefolder", "json", "parquet", "text", "webdataset")
"""Builders of `datasets` that read what lies in files, and nothing that these name."""

DAMAGED = (EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError)
UNUSABLE = (ValueError, OSError, *DAMAGED)
"""What files are refused with, by what looks at them here and by what unpacks them."""


def check_folder(folder: Path, ref: str, within: Path | None) -> None:
    """Raises: DataError, if what lies in `folder` names files elsewhere, or cannot be read.

    within: where links may lead; None: anywhere.
    """
    try:
        _check_card(folder)
        states = (folder / "state.json", *folder.glob("*/state.json"))
        saved = [path for state in states if state.is_file() for path in _saved_files(state)]
        if (folder / "dataset_dict.json").is_file():
            for split in _names(read_json(folder / "dataset_dict.json"), "splits"):
                _plain(split, "dataset_dict.json")
        if within is not None:
            for path in folder.rglob("*"):
                refuse_stray(path, within)
        for path in saved:
            refuse_stray(path, within)
            _refuse_content(path, "arrow")
    except UNUSABLE as error:
        raise DataError(f"{ref} cannot be opened as a data set", found=str(error)) from error


def check_file(path: Path, builder: str, ref: str, within: Path | None) -> None:
    """Raises: DataError, if a single file of rows cannot be read, or becomes far larger than it is.

    builder: what reads it, as `datasets` calls it.
    """
    try:
        refuse_stray(path, within)
        if is_pointer_file(path):
            raise DataError(f"{ref} is a git-lfs pointer, not the file itself", hint=FETCH)
        _refuse_content(path, builder)
    except UNUSABLE as error:
        raise DataError(f"{ref} cannot be opened as a data set", found=str(error)) from error


def check_files(builder: Any, folder: Path, ref: str, within: Path | None) -> None:
    """Raises: DataError, if `datasets` would read other files than those in `folder`, or files
    that become far larger than they are.
    """
    name = type(builder).__module__.rpartition(".")[2]
    if name not in FORMATS:
        raise DataError(
            f"{ref} holds data as {name}", hint=f"{', '.join(FORMATS)} can be read", source=ref
        )
    # Pictures are measured when they are opened, and there may be millions of them.
    pictures = {*builder.EXTENSIONS} if name == "imagefolder" else set()
    try:
        for files in (builder.config.data_files or {}).values():
            for file in files:
                path = Path(file)
                if "::" in str(file) or not path.is_relative_to(folder):
                    raise Unreadable(f"it names {str(file)!r}, which does not lie in it")
                refuse_stray(path, within)
                if path.suffix.lower() not in pictures:
                    _refuse_content(path, name, builder.config)
    except UNUSABLE as error:
        raise DataError(f"{ref} cannot be opened as a data set", found=str(error)) from error


def _refuse_content(path: Path, builder: str, config: Any = None) -> None:
    """Raises: Unreadable and others of `UNUSABLE`, for what its reader does not survive."""
    refuse_expansion(path, builder)
    if builder == "csv":
        usual = "\t" if path.suffix.lower() == ".tsv" else ","
        refuse_columns(path, usual if config is None else config.sep, config)
    if builder == "json":
        refuse_json(path, config)


def _check_card(folder: Path) -> None:
    said = []
    if (folder / README).is_file():
        block, _ = front_matter(read_text(folder / README, CARD_BYTES))
        said.append(read_yaml(block or ""))
    if (folder / SETTINGS).is_file():
        said.append(read_yaml(read_text(folder / SETTINGS, FRONT_MATTER_BYTES)))
    for card in said:
        configs = card.get("configs") if isinstance(card, dict) else None
        for config in configs if isinstance(configs, list) else [configs]:
            if isinstance(config, dict):
                refuse_reader_options(config)
                for pattern in (*_texts(config.get("data_files")), *_texts(config.get("data_dir"))):
                    _require_inside(pattern)


def _texts(said: Any) -> Iterator[str]:
    """Every path in a card's `data_files`, however they are listed."""
    match said:
        case str():
            yield said
        case list():
            for each in said:
                yield from _texts(each)
        case dict():
            for key, each in said.items():
                if key != "split":
                    yield from _texts(each)


def _require_inside(pattern: str) -> None:
    """Raises: Unreadable, if a pattern can match what does not lie in the folder."""
    parts = pattern.replace("\\", "/").split("/")
    if ":" in pattern or ".." in parts or pattern.startswith(("/", "\\", "~")) or "\0" in pattern:
        raise Unreadable(f"its card names {pattern!r}, which does not lie in it")


def _saved_files(state: Path) -> Iterator[Path]:
    """The files of rows that `save_to_disk` wrote beside `state`."""
    said = read_json(state, REPORT_BYTES)
    files = said.get("_data_files") if isinstance(said, dict) else None
    for file in files if isinstance(files, list) else []:
        name = file.get("filename") if isinstance(file, dict) else file
        yield state.with_name(_plain(name, state.name))


def _names(said: Any, field: str) -> list[Any]:
    found = said.get(field) if isinstance(said, dict) else None
    return found if isinstance(found, list) else []


def _plain(name: object, source: str) -> str:
    """`name`, of a file that lies beside `source`. Raises: Unreadable."""
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0", ":"} & {*name}:
        raise Unreadable(f"{source} names {name!r}, which does not lie beside it")
    return name
