"""Which files a data set consists of: those of its own folder, whatever its card says.

A card can name files anywhere on this machine or on the network, and `datasets` opens them. A
compressed file can be small and become large. Both are looked at before anything is read.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hubmerge.data.pictures import refuse_stray
from hubmerge.errors import DataError
from hubmerge.utils.lfs import FETCH, is_pointer_file
from hubmerge.utils.limits import (
    CARD_BYTES,
    EXPANSION,
    EXPANSION_FREE,
    FRONT_MATTER_BYTES,
    REPORT_BYTES,
    ROWS,
)
from hubmerge.utils.untrusted import Unreadable, read_json, read_text
from hubmerge.utils.untrusted_yaml import front_matter, read_yaml

README, SETTINGS = "README.md", ".huggingface.yaml"
"""Where `datasets` reads which files are data."""
FORMATS = ("arrow", "csv", "imagefolder", "json", "parquet", "text", "webdataset")
"""Builders of `datasets` that read what lies in files, and nothing that these name."""
STREAMS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
"""Endings of compressed files whose size is known once they are read."""


def check_folder(folder: Path, ref: str, within: Path | None) -> None:
    """Raises: DataError, if what lies in `folder` names files elsewhere, or cannot be read.

    within: where links may lead; None: anywhere.
    """
    try:
        _check_card(folder)
        for state in (folder / "state.json", *folder.glob("*/state.json")):
            if state.is_file():
                _check_state(state)
        if (folder / "dataset_dict.json").is_file():
            for split in _names(read_json(folder / "dataset_dict.json"), "splits"):
                _require_plain(split, "dataset_dict.json")
        if within is not None:
            for path in folder.rglob("*"):
                refuse_stray(path, within)
    except (Unreadable, OSError) as error:
        raise DataError(f"{ref} cannot be opened as a data set", found=str(error)) from error


def check_file(path: Path, ref: str, within: Path | None) -> None:
    """Raises: DataError, if a single file of rows cannot be read, or claims too many rows."""
    try:
        refuse_stray(path, within)
        if is_pointer_file(path):
            raise DataError(f"{ref} is a git-lfs pointer, not the file itself", hint=FETCH)
        if path.suffix.lower() == ".parquet":
            _refuse_rows(path)
    except (Unreadable, OSError) as error:
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
    try:
        for files in (builder.config.data_files or {}).values():
            for file in files:
                path = Path(file)
                if "::" in str(file) or not path.is_relative_to(folder):
                    raise Unreadable(f"it names {str(file)!r}, which does not lie in it")
                refuse_stray(path, within)
                _refuse_expansion(path)
                if path.suffix == ".parquet":
                    _refuse_rows(path)
    except (Unreadable, OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{ref} cannot be opened as a data set", found=str(error)) from error


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


def _check_state(path: Path) -> None:
    said = read_json(path, REPORT_BYTES)
    files = said.get("_data_files") if isinstance(said, dict) else None
    for file in files if isinstance(files, list) else []:
        _require_plain(file.get("filename") if isinstance(file, dict) else file, path.name)


def _names(said: Any, field: str) -> list[Any]:
    found = said.get(field) if isinstance(said, dict) else None
    return found if isinstance(found, list) else []


def _require_plain(name: object, source: str) -> None:
    if not isinstance(name, str) or name in ("", ".", "..") or {"/", "\\", "\0", ":"} & {*name}:
        raise Unreadable(f"{source} names {name!r}, which does not lie beside it")


def _refuse_expansion(path: Path) -> None:
    """Raises: Unreadable, if a compressed file becomes far larger than data do."""
    size = path.stat().st_size
    most = max(EXPANSION * size, EXPANSION_FREE)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            larger = sum(each.file_size for each in archive.infolist()) > most
    elif path.suffix in STREAMS:
        larger = _expanded(path, most) > most
    else:
        return
    if larger:
        raise Unreadable(f"{path.name!r} of {size:,} bytes becomes more than {most:,}")


def _expanded(path: Path, most: int) -> int:
    total = 0
    with STREAMS[path.suffix](path) as file:
        while total <= most and (block := file.read(1 << 20)):
            total += len(block)
    return total


def _refuse_rows(path: Path) -> None:
    """Raises: Unreadable, if a file claims more values than data sets have."""
    import pyarrow.parquet as parquet

    try:
        said = parquet.read_metadata(path)
    except Exception:  # damaged, in whatever way: reading it will say so
        return
    groups = [said.row_group(n) for n in range(said.num_row_groups)]
    values = max(
        (sum(group.column(n).num_values for group in groups) for n in range(said.num_columns)),
        default=0,
    )
    if max(said.num_rows, values) > ROWS:
        raise Unreadable(f"{path.name!r} claims {max(said.num_rows, values):,} values in a column")
