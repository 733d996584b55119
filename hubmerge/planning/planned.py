"""What a plan asks of a merge that is not there yet."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hubmerge.fuse import Fusion
from hubmerge.fuse.subset import Subset
from hubmerge.hub.destination import Destination
from hubmerge.hub.source import Source
from hubmerge.recipe import Recipe, Trials


class PlannedMethods(Protocol):
    """What a plan asks of the methods of a merge: the names they were resolved to."""

    @property
    def trials(self) -> Trials: ...
    @property
    def match(self) -> str: ...
    @property
    def tries_matchers(self) -> bool: ...
    @property
    def fusion(self) -> Fusion | None: ...
    @property
    def subset(self) -> Subset: ...
    @property
    def symmetry(self) -> str: ...
    @property
    def depends_on_images(self) -> bool: ...
    @property
    def fits_rows(self) -> bool: ...


class PlannedSources(Protocol):
    """Parents, data set and base, each at its commit."""

    @property
    def models(self) -> tuple[Source, ...]: ...
    @property
    def dataset(self) -> Source | None: ...
    @property
    def base(self) -> Source | None: ...


class PlannedRun(Protocol):
    """What a plan asks of a merge: its recipe, resolved."""

    @property
    def recipe(self) -> Recipe: ...
    @property
    def sources(self) -> PlannedSources: ...
    @property
    def methods(self) -> PlannedMethods: ...
    @property
    def destination(self) -> Destination: ...
    @property
    def out(self) -> Path: ...
