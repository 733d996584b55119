"""Whether disk and memory will do, before anything is downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import psutil
from pydantic import BaseModel, ConfigDict

from hubmerge.errors import ResourceError
from hubmerge.errors.wording import option
from hubmerge.recipe.words import bytes_of
from hubmerge.specs.spec import PERMUTATIONS
from hubmerge.utils.kept_folders import kept_bytes

FLOAT32, FLOAT64 = 4, 8
"""Bytes of a number."""

Kind = Literal["unmatched", "permuted", "mapped"]
"""What is done to models before they are merged: the more, the more copies are held at once."""

COPIES: Mapping[Kind, tuple[int, int]] = {"unmatched": (1, 6), "permuted": (2, 6), "mapped": (3, 9)}
"""Float32 copies of one model at the peak: for every model that is merged, and beside. Proofs and
canonical forms are in float64, which is two."""

REFINING = 11
"""Copies beside the models while one learns: it, its best, its gradient, two moments, what is
stored of these, and two lanes that run it."""

WORKING = 512 << 20
"""Bytes for a batch, its activations and the libraries' own."""

PARTIAL_SUMS = 2
"""Partial sums activation matching keeps at a time (see hubmerge.workers)."""


class Needs(BaseModel):
    """Bytes a merge takes and what there is."""

    model_config = ConfigDict(frozen=True)

    download: int
    """Of models and data that are not in the cache yet."""
    result: int
    memory: int
    allowed_memory: int | None = None
    """Of what is free, where a limit was given."""
    free_disk: int
    """Where the result goes; where the cache lies, if nothing is written."""
    free_memory: int


def memory_needed(
    parameters: int,
    free_spaces: Mapping[str, int],
    *,
    activations: bool,
    models: int = 2,
    kind: Kind = "permuted",
    refined: bool = False,
) -> int:
    """Bytes at the peak for so many models of `parameters` weights each.

    free_spaces: sizes; activation matching keeps an [n, n] float64 matrix per space and lane, and
    one per space for every pair of models it has done with. refined: whether the merge learns.
    """
    matrices = PARTIAL_SUMS + models * (models - 1) // 2 - 1
    moments = sum(n * n for n in free_spaces.values()) * FLOAT64 * matrices
    each, beside = COPIES[kind]
    copies = each * models + max(beside, REFINING * refined)
    return copies * parameters * FLOAT32 + moments * activations + WORKING


def allowed_memory(size: str | None) -> int:
    """Bytes that may be taken: `size`, as a recipe writes it, but no more than is free."""
    free: int = psutil.virtual_memory().available
    return free if size is None else min(free, bytes_of(size))


def measure_needs(
    *,
    download: int,
    result: int,
    memory: int,
    cache: Path,
    out: Path | None,
    here: bool = True,
    whole: str | None = None,
    allowed: int | None = None,
) -> Needs:
    """What is needed beside what is free now.

    here: whether this machine has to do, or another. whole: the models that are held in memory, in
    words; None where they are merged from disk. allowed: bytes of memory that may be taken, at
    most; None: what is free.
    Raises: ResourceError, if it will not do.
    """
    needs = Needs(
        download=download,
        result=result,
        memory=memory,
        allowed_memory=allowed,
        free_disk=free_disk(out or cache),
        free_memory=psutil.virtual_memory().available,
    )
    if not here:
        return needs
    room, unused = needs.free_memory, "free"
    hint = "close other programs, or use a larger host"
    if allowed is not None and allowed < room:
        room, unused = allowed, "allowed"
        hint = f"allow more by {option('memory')}"
    if whole is not None:
        permuted = f"{option('match', 'weights')} with {option('symmetry', PERMUTATIONS)}"
        hint += (
            f"; or merge from disk, as most language models can be: {option('match', 'none')}, "
            f"or {permuted} and {option('repair', 'none')}"
        )
    refuse_excess("memory", memory, room, hint, whole, unused)
    needed: dict[int, int] = {}
    for place, size in ((cache, download), (out, result)):
        if place is not None:
            device = _existing(place).stat().st_dev
            needed[device] = needed.get(device, 0) + size
    for place in (cache, out):
        if place is not None:
            size = needed[_existing(place).stat().st_dev]
            kept = kept_bytes(out.absolute()) if place == out else 0
            hint = "make room, or set HF_HUB_CACHE to a folder on another disk"
            refuse_excess(f"disk space at {place}", size, free_disk(place) + kept, hint)
    return needs


def refuse_excess(
    what: str,
    needed: int,
    free: int,
    hint: str,
    needed_for: str | None = None,
    unused: str = "free",
) -> None:
    """Raises: ResourceError, if `needed` bytes are more than `free`."""
    if needed > free:
        said = "" if needed_for is None else f" for {needed_for}"
        raise ResourceError(
            f"not enough {what}",
            found=f"{human(needed)} needed{said}, {human(free)} {unused}",
            hint=hint,
        )


def free_disk(place: Path) -> int:
    """Bytes free on the disk on which `place` is or would be."""
    return shutil.disk_usage(_existing(place)).free


def human(size: float) -> str:
    """Bytes as people read them: 8.7 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _existing(place: Path) -> Path:
    place = place.absolute()
    while not place.exists():
        place = place.parent
    return place
