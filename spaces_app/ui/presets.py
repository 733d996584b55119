"""The simple choice: three levels in place of a dozen options, and what each stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hubmerge.fuse import find_fusion
from hubmerge.pipeline.methods import AUTO
from hubmerge.recipe import MIDDLE, SAME, Recipe, make_recipe

QUICK, STANDARD, BEST = "quick", "standard", "best"
AS_CHOSEN = "as chosen above"
BASED = "task-arithmetic"
"""What fuses models with a common base where there is nothing to choose it on."""

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
    base: str | None = None
    repair: str = "auto"
    symmetry: str = "auto"
    labels: str = "by-name"
    heads: str = SAME
    lam: float = MIDDLE
    samples: int | None = None
    calibration_samples: int | None = None
    seed: int = 0
    survey: tuple[str, ...] = ()


def named(a: str | None, b: str | None, more: str | None) -> list[str]:
    """The models that stand in the fields, the further ones apart by white space."""
    return [name.strip() for name in (a, b, *(more or "").split()) if name and name.strip()]


def to_recipe(
    models: Sequence[str], dataset: str | None, level: str, advanced: Advanced | None = None
) -> Recipe:
    """The recipe of what was picked and chosen. Raises: RecipeError."""
    advanced = advanced or Advanced()
    names = tuple(name.strip() for name in models if name and name.strip())
    data = (dataset or "").strip() or None if level != QUICK else None
    base = (advanced.base or "").strip() or None
    fuse = _fuse(level, advanced.fuse, data, base)
    pair = len(names) == 2
    weighs = fuse == AUTO or find_fusion(fuse).weighs
    fields: dict[str, Any] = {
        "models": names,
        "dataset": data,
        "match": _match(level, advanced, data),
        "fuse": fuse,
        "base": base,
        "repair": advanced.repair,
        "symmetry": advanced.symmetry,
        "labels": advanced.labels,
        "heads": advanced.heads,
        "samples": advanced.samples if data else None,
        "calibration_samples": advanced.calibration_samples if data else None,
        "seed": advanced.seed,
        "survey": advanced.survey if data else (),
        "best": level == BEST and pair and weighs and data is not None and advanced.lam == MIDDLE,
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


def _fuse(level: str, chosen: str, data: str | None, base: str | None) -> str:
    if chosen != AS_CHOSEN:
        return chosen
    if base is not None:
        return AUTO if data else BASED
    return "least-squares" if level == BEST else "average"
