"""What every step of a merge gets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.hub.destination import Destination
from hubmerge.hub.source import Source
from hubmerge.pipeline.methods import Methods
from hubmerge.recipe import Recipe
from hubmerge.utils.parent_names import roles
from hubmerge.utils.workers import Workers

DATASET, BASE = "dataset", "base"
"""Their keys in `Recipe.shas`, beside "model_a", "model_b", ..."""


@dataclass(frozen=True)
class Sources:
    """Parents, data set and common base, each at its commit."""

    models: tuple[Source, ...]
    dataset: Source | None
    base: Source | None = None

    def by_role(self) -> dict[str, Source]:
        """Role -> source of everything there is."""
        given = dict(zip(roles("model", len(self.models)), self.models, strict=True))
        more = {BASE: self.base, DATASET: self.dataset}
        return given | {role: source for role, source in more.items() if source is not None}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One merge to be made: what was asked for, pinned and resolved; references, never models.

    written: the recipe as it lies beside the merge, every source at its commit. out: the folder
    that is written.
    """

    recipe: Recipe
    written: Recipe
    destination: Destination
    sources: Sources
    methods: Methods
    out: Path
    workers: Workers
