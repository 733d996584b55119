"""A name in a registry, and where what it stands for lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Plugin:
    """An installed package that adds to a registry: its name for pip, and its version."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class RegistryEntry:
    """A name in a registry, and where what it stands for lies; nothing of it is imported.

    module: dotted name; of a file that is no Python, the package it lies in. path: None, if the
    source cannot be found without importing it. plugin: None for what comes with hubmerge.
    """

    name: str
    module: str
    path: Path | None
    plugin: Plugin | None = None

    @property
    def place(self) -> str:
        """Where it is from, as errors quote it."""
        where = str(self.path or self.module)
        return f"{where} ({self.plugin})" if self.plugin else where
