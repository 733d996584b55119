"""Derived specs at rest: one file per configuration and versions, in the user's cache folder.

Nothing here derives: what a spec was derived for is looked up, by all that works on its models.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from hubmerge.specs.family import Family, read_family

DERIVATION = 4
"""Raised whenever the same configuration would be given another spec."""

FOLDER = "derived-specs"
FACTS = "derived.json"

NO_MATTER = (
    "_name_or_path", "architectures", "dtype", "finetuning_task", "id2label", "label2id",
    "problem_type", "task_specific_params", "torch_dtype", "transformers_version",
)  # fmt: skip
"""Fields of a configuration that say nothing of its tensors; labels change one fixed axis alone."""


@dataclass(frozen=True)
class DerivedRecord:
    """What is known of a derivation that was done.

    deviation: how far random elements of all its symmetries move the outputs. movable: share of the
    model's numbers in tensors that may move. refused, found: why there is no spec. versions: of all
    that it depends on.
    """

    name: str
    deviation: float = 0.0
    movable: float = 0.0
    refused: str | None = None
    found: str | None = None
    path: Path | None = None
    versions: str = ""

    @property
    def text(self) -> str:
        """The spec file."""
        return "" if self.path is None else self.path.read_text(encoding="utf-8")

    @property
    def sha256(self) -> str:
        """Of the spec file."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def summary(self) -> str:
        """What screen, report and card say of it."""
        share = f"{self.movable:.2f}".removeprefix("0")
        return f"derived, certified at {self.deviation:.0e}, {share} of all weights movable"


_given: ContextVar[tuple[DerivedRecord, ...]] = ContextVar("given specs", default=())


def key_of(config: Any) -> str | None:
    """What a derived spec is found by; None for a configuration that names no class."""
    if not getattr(config, "architectures", None) or not hasattr(config, "to_dict"):
        return None
    fields = {k: v for k, v in config.to_dict().items() if k not in NO_MATTER}
    said = [versions(), config.architectures[0], fields]
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:20]


def versions() -> str:
    """Of derivation, and of the libraries that it depends on, as they are here."""
    libraries = (f"{name} {version(name)}" for name in ("transformers", "torch"))
    return ", ".join((f"derivation {DERIVATION}", *libraries))


def folder() -> Path:
    """Where derived specs lie."""
    return user_cache_path("hubmerge") / FOLDER


def record_of(config: Any) -> DerivedRecord | None:
    """What is known of the derivation for `config`; None if there was none yet."""
    key = key_of(config)
    if key is None:
        return None
    return given_for(config) or _read(folder() / key)


def given_for(config: Any) -> DerivedRecord | None:
    """What `using` says of models of `config`."""
    fitting = (r for r in _given.get() if r.path is not None and read_family(r.path).fits(config))
    return next(fitting, None)


def family_of(config: Any) -> Family | None:
    """The derived spec for `config`, if there is one."""
    record = record_of(config)
    if record is None or record.refused is not None or record.path is None:
        return None
    return read_family(record.path)


def all_records() -> Iterator[DerivedRecord]:
    """Everything that was derived or refused here by these versions, by name."""
    found = [_read(place) for place in sorted(folder().glob("*/"))]
    current = [r for r in found if r is not None and r.versions == versions()]
    yield from sorted(current, key=lambda r: (r.name, str(r.path)))


def keep(config: Any, record: DerivedRecord, text: str) -> DerivedRecord:
    """Stores what was derived for `config`. Returns: the record, with its place."""
    key = key_of(config)
    if key is None:
        raise ValueError("a configuration without architectures")
    place = folder() / key
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{record.name}.toml" if text else None
    facts = {k: v for k, v in asdict(record).items() if k != "path"} | {"versions": versions()}
    if path is not None:
        _write(path, text)
    _write(place / FACTS, json.dumps(facts, indent=2, sort_keys=True) + "\n")
    return DerivedRecord(**facts, path=path)


@contextmanager
def using(record: DerivedRecord) -> Iterator[None]:
    """Inside, models that the spec of `record` fits have it, whatever else describes them."""
    token = _given.set((record, *_given.get()))
    try:
        yield
    finally:
        _given.reset(token)


def _read(place: Path) -> DerivedRecord | None:
    try:
        facts = json.loads((place / FACTS).read_text(encoding="utf-8"))
        record = DerivedRecord(**facts)
    except (OSError, ValueError, TypeError):
        return None
    if record.refused is not None:
        return record
    path = place / f"{record.name}.toml"
    return DerivedRecord(**facts, path=path) if path.is_file() else None


def _write(path: Path, text: str) -> None:
    """In one step, so that no reader finds half a file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)
