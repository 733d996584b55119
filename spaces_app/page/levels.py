"""The simple choice: three levels in place of a dozen options, and what each stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubmerge.recipe import MIDDLE, Recipe, make_recipe

QUICK, STANDARD, BEST = "quick", "standard", "best"
AS_CHOSEN = "as chosen above"

LEVELS = {
    "Quick: by the weights alone, no data": QUICK,
    "Standard: matched on data, and measured": STANDARD,
    "Best: everything, takes longer": BEST,
}


@dataclass(frozen=True)
class Advanced:
    """What stands in the fold; None, or AS_CHOSEN, leaves it to the level."""

    match: str = AS_CHOSEN
    fuse: str = AS_CHOSEN
    repair: str = "auto"
    symmetry: str = "all"
    labels: str = "by-name"
    lam: float = MIDDLE
    samples: int | None = None
    calibration_samples: int | None = None
    seed: int = 0
    survey: tuple[str, ...] = ()


def to_recipe(
    models: Sequence[str], dataset: str | None, level: str, advanced: Advanced | None = None
) -> Recipe:
    """The recipe of what was picked and chosen. Raises: RecipeError."""
    advanced = advanced or Advanced()
    names = tuple(name.strip() for name in models if name and name.strip())
    data = dataset.strip() if dataset and dataset.strip() and level != QUICK else None
    pair = len(names) == 2
    fields: dict[str, Any] = {
        "models": names,
        "dataset": data,
        "match": _match(level, advanced, data),
        "fuse": _fuse(level, advanced),
        "repair": advanced.repair,
        "symmetry": advanced.symmetry,
        "labels": advanced.labels,
        "samples": advanced.samples if data else None,
        "calibration_samples": advanced.calibration_samples if data else None,
        "seed": advanced.seed,
        "survey": advanced.survey,
        "best": level == BEST and pair and data is not None and advanced.lam == MIDDLE,
    }
    if pair:
        fields["lam"] = advanced.lam
    return make_recipe(**fields)


def _match(level: str, advanced: Advanced, data: str | None) -> str:
    if advanced.match != AS_CHOSEN:
        return advanced.match
    if level == QUICK:
        return "weights"
    return "activations" if level == STANDARD and data else "auto"


def _fuse(level: str, advanced: Advanced) -> str:
    if advanced.fuse != AS_CHOSEN:
        return advanced.fuse
    return "least-squares" if level == BEST else "average"
