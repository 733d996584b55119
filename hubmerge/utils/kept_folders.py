"""Where whole files of a merge that was stopped lie: hidden folders beside its target."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from pathlib import Path


def kept_folder(target: Path, key: str) -> Path:
    """The folder for files of one merge, by its key, which is to become `target`."""
    return target.parent / f".{target.name}.shards-{key}"


def kept_folders(target: Path) -> Iterator[Path]:
    """Those that are there."""
    found = target.parent.glob(f".{glob.escape(target.name)}.shards-*")
    return (place for place in found if place.is_dir())


def kept_bytes(target: Path) -> int:
    """Bytes of what is kept for `target`, which will be part of it or removed."""
    files = (file for place in kept_folders(target) for file in place.glob("*.safetensors"))
    return sum(file.stat().st_size for file in files)
