"""How far a verification goes, and how long each level will take."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal

from hubmerge.errors import AccessError, NotFoundError, WeightsError
from hubmerge.hub.fetch import download_bytes, needed_files
from hubmerge.hub.source import resolve
from hubmerge.planning.resources import human
from hubmerge.recipe import DATASET, Recipe, refs_of
from hubmerge.verification.download import Listed
from hubmerge.verification.result import LevelName

Wanted = Literal["load", "measure", "remake", "all"]
LEVELS: tuple[LevelName, ...] = ("load", "measure", "remake")
"""In their order; each includes those before it."""
MEANINGS: Mapping[str, str] = {
    "load": "what stock code loads, its hashes and settings, and what report and card say",
    "measure": "also the published weights, measured again on the recorded rows",
    "remake": "also the whole merge, made again and measured again",
    "all": "everything there is: remake",
}
TITLES: Mapping[LevelName, str] = {
    "load": "what stock code loads",
    "measure": "the published weights, measured again",
    "remake": "the merge, made again",
}
DOWNLOADED, READ = 10e6, 500e6
"""Bytes in a second, of a usual connection, and hashed from a disk."""


@dataclass(frozen=True)
class Estimate:
    """What a level will take, by what is fetched and by what the report says the merge took."""

    level: LevelName
    seconds: float
    bytes: int
    """To be downloaded."""

    def __str__(self) -> str:
        fetched = f", {human(self.bytes)} to download" if self.bytes else ""
        return f"{TITLES[self.level]}: about {_spoken(self.seconds)}{fetched}"


def levels_to(wanted: Wanted) -> tuple[LevelName, ...]:
    """The levels that are carried out."""
    last = LEVELS[-1] if wanted == "all" else wanted
    return LEVELS[: LEVELS.index(last) + 1]


def estimate_loading(listed: Listed) -> Estimate:
    """Of fetching and hashing a merge."""
    size = sum(listed.sizes[name] for name in listed.names)
    fetched = download_bytes(listed.source, list(listed.names))
    return Estimate("load", fetched / DOWNLOADED + 2 * size / READ, fetched)


def estimate_measuring(listed: Listed, wanted: Recipe) -> Estimate:
    """Of measuring one model where a merge measured all contenders and two paths."""
    contenders = len(listed.report.models) + 3
    curves = (listed.report.barrier.detail.naive, listed.report.barrier.detail.matched)
    points = sum(len(curve.points) - 2 for curve in curves if curve is not None)
    spent = _spent(listed, "measure") / (contenders + points)
    fetched = _fetched(wanted, (DATASET,))
    return Estimate("measure", fetched / DOWNLOADED + spent, fetched)


def estimate_remaking(listed: Listed, wanted: Recipe, *, without_data: bool) -> Estimate:
    """Of making a merge again."""
    roles = [role for role in refs_of(wanted) if not (without_data and role == DATASET)]
    fetched = _fetched(wanted, roles)
    spent = sum(_spent(listed, stage) for stage in listed.report.run.seconds if stage != "publish")
    return Estimate("remake", fetched / DOWNLOADED + spent, fetched)


def _fetched(wanted: Recipe, roles: Collection[str]) -> int:
    """Bytes of sources that are not here yet."""
    total = 0
    for role, ref in refs_of(wanted).items():
        if role in roles:
            with suppress(NotFoundError, AccessError, WeightsError):  # said where it is used
                source = resolve(ref, "dataset" if role == DATASET else "model")
                total += download_bytes(source, needed_files(source))
    return total


def _spent(listed: Listed, stage: str) -> float:
    return max(listed.report.run.seconds.get(stage, 0.0), 0.0)


def _spoken(seconds: float) -> str:
    """A duration as people say it."""
    if seconds < 90:
        return f"{max(seconds, 1):.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
