"""Models and data that exist in memory alone: stored in a temporary folder, known by content.

Everything else works on folders and repositories. What is stored here is deleted when the process
ends.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from hubmerge.errors import WeightsError

SUFFIX = "-in-memory"
"""End of the names of such folders."""


class ModelObject(Protocol):
    """A model of transformers."""

    def state_dict(self) -> Any: ...
    def save_pretrained(self, save_directory: Any) -> Any: ...


class Loaded(Protocol):
    """A model that `hubmerge.load` has loaded."""

    @property
    def source(self) -> Any: ...
    @property
    def model(self) -> Any: ...


class DataObject(Protocol):
    """A `datasets.Dataset`."""

    @property
    def features(self) -> Any: ...
    def to_parquet(self, path_or_buf: Any) -> Any: ...


class Loader(Protocol):
    """A `torch.utils.data.DataLoader`."""

    @property
    def dataset(self) -> Any: ...
    @property
    def batch_sampler(self) -> Any: ...


def is_model(given: object) -> bool:
    """Whether it is a model of transformers, by what it can do."""
    return hasattr(given, "save_pretrained") and hasattr(given, "state_dict")


def is_dataset(given: object) -> bool:
    """Whether it is a `datasets.Dataset`, or a dictionary of some, by what it can do."""
    if isinstance(given, dict):
        return bool(given) and all(map(is_dataset, given.values()))
    return hasattr(given, "to_parquet") and hasattr(given, "features")


def is_in_memory(folder: Path | None) -> bool:
    """Whether a folder holds what was in memory alone. Makes none itself."""
    if folder is None or not _temporary.cache_info().currsize:
        return False
    return _root().resolve() in folder.resolve().parents


def stored_model(model: Any, *companions: Any) -> Path:
    """A new folder that holds a model, and its processor or tokenizer, if there is one.

    Raises: WeightsError, if tensors of the model have no values.
    """
    tensors = model.state_dict()
    if empty := [name for name, value in tensors.items() if getattr(value, "is_meta", False)]:
        raise WeightsError(
            f"{len(empty)} of {len(tensors)} tensors of a {type(model).__name__} have no values",
            found=f"{empty[0]} is on the meta device",
            hint="load the model whole, neither on the meta device nor offloaded",
        )
    folder = _folder(str(getattr(model, "name_or_path", "")) or type(model).__name__)
    for each in (model, *companions):
        if each is not None:
            each.save_pretrained(folder)
    return folder


def stored_dataset(data: Any) -> Path:
    """A new folder that holds a `datasets.Dataset` as split "test", or a dictionary's splits."""
    folder = _folder("data")
    splits = data if isinstance(data, dict) else {"test": data}
    with _no_bars():
        for name, rows in splits.items():
            rows.to_parquet(folder / f"{name}-00000-of-00001.parquet")
    return folder


@contextmanager
def _no_bars() -> Iterator[None]:
    """What `datasets` writes here is no step that anyone waits for."""
    import datasets

    shown = datasets.are_progress_bars_disabled() is False
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()


@cache
def _temporary() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="hubmerge-in-memory-")


def _root() -> Path:
    return Path(_temporary().name)


def _folder(name: str) -> Path:
    """A new folder, called after the last part of a name."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name.rstrip("/").rpartition("/")[2]).strip("-.")
    beside = Path(tempfile.mkdtemp(dir=_root()))
    folder = beside / f"{(plain or 'object')[:60].removesuffix(SUFFIX)}{SUFFIX}"
    folder.mkdir()
    return folder
