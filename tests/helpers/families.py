"""Families and models written for a test, without files of the package."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from hubmerge.specs.bind import bind
from hubmerge.specs.family import Family, read_family
from hubmerge.specs.spec import Spec


def family(folder: Path, text: str, name: str = "toy") -> Family:
    """The family `text` declares, read from a file as any other."""
    path = folder / "specs" / f"{name}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return read_family(path)


def bound(folder: Path, text: str, shapes: dict[str, tuple[int, ...]], **config: object) -> Spec:
    """`text` applied to tensors of `shapes` and a configuration of `config`."""
    return bind(family(folder, text), SimpleNamespace(model_type="toy", **config), shapes)


def line_of(text: str, part: str) -> int:
    """Number of the first line that holds `part`."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if part in line)
