"""What every step of a merge gets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from hubmerge.hub.destination import Destination
from hubmerge.pipeline.methods import Methods
from hubmerge.pipeline.sources import Sources
from hubmerge.recipe import Recipe
from hubmerge.utils.workers import Workers


@dataclass(frozen=True, kw_only=True)
class Run:
    """One merge to be made: what was asked for, pinned and resolved; references, never models.

    written: the recipe as it lies beside the merge, every source at its commit. out: the folder
    that is written. stages: the merges of which results are among its sources, in their order.
    """

    recipe: Recipe
    written: Recipe
    destination: Destination
    sources: Sources
    methods: Methods
    out: Path
    workers: Workers
    stages: Mapping[str, Run] = field(default_factory=dict)
