"""What a job takes: memory and disk by the plan, time by what the plan says is done.

Times are coarse: they choose the time limit, `MARGIN` times as long, and say what a job costs about
and at most. hubmerge keeps two cores busy, however many there are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hubmerge.jobs.flavors import Flavor, dollars
from hubmerge.planning.plan import Plan
from hubmerge.recipe import NO_PATH, NO_REFINEMENT, Recipe
from hubmerge.utils.durations import duration

SETTING_UP = 300.0
"""Seconds until the libraries are there, torch above all."""
LIBRARIES = 15_000_000_000
"""Bytes of disk that they take."""
MOVED = 100e6
"""Bytes a second of reading and writing weights, the network included."""
MATCHED = 3e-6
"""Seconds for a weight of a model to be matched and proved, on one core."""
COMPUTED = 1e11
"""Floating-point operations a second, of one core."""
UNITS = 200
"""Tokens of a text, or patches of an image, of one row."""
CONTENDERS, SHORT, FULL = 5, 8, 30
"""Models that are measured, and points of paths."""
ROWS, BATCH = 1_000, 100
"""Rows that are measured where a recipe does not say, and of a step of refinement."""
PASSES = 3
"""A step of training in forward passes."""
CORES = 2
MARGIN = 4
"""The time limit is so many times the estimate."""
LEAST, STEP = 30 * 60, 10 * 60
"""Shortest time limit, and what it is a multiple of, in seconds."""
SPARE = 1.2
"""Memory of the machine for each byte that is needed."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be done, in bytes and seconds.

    Parameters:
        moved: bytes that are read or written once.
        alone: seconds on one core.
    """

    memory: int
    disk: int
    moved: int
    alone: float

    @property
    def needed(self) -> tuple[int, int]:
        """Bytes of memory and disk that a machine has to have."""
        return round(self.memory * SPARE), self.disk + LIBRARIES

    def seconds(self, flavor: Flavor) -> float:
        """How long it takes there, about."""
        return SETTING_UP + self.moved / MOVED + self.alone / min(CORES, flavor.cores)

    def limit(self, flavor: Flavor) -> int:
        """The time limit, in seconds."""
        return max(LEAST, math.ceil(self.seconds(flavor) * MARGIN / STEP) * STEP)


def work_of(plan: Plan, recipe: Recipe) -> Work:
    """What making the planned merge is."""
    models = [*plan.models, *([] if plan.base is None else [plan.base])]
    stored = sum(model.weight_bytes for model in models) + (plan.data.bytes if plan.data else 0)
    parameters = [model.parameters for model in models]
    alone = MATCHED * sum(parameters) if plan.both.free_spaces else 0.0
    if plan.data is not None:
        row = 2 * max(parameters) * UNITS / COMPUTED
        points = CONTENDERS + _path_points(recipe)
        alone += row * points * (recipe.samples if isinstance(recipe.samples, int) else ROWS)
        if plan.effort.refine != NO_REFINEMENT:
            alone += row * (plan.effort.refine_steps or 0) * BATCH * PASSES
    return Work(
        memory=plan.needs.memory,
        disk=stored + plan.needs.result,
        moved=2 * stored + plan.needs.result,
        alone=alone,
    )


def _path_points(recipe: Recipe) -> int:
    """Points of paths that are measured, about."""
    if recipe.path == NO_PATH:
        return 0
    return FULL if recipe.full_path else SHORT


def cost_text(work: Work, flavor: Flavor) -> str:
    """ "$0.01, at most $0.02": about, and if it runs to its time limit."""
    about, most = (dollars(flavor.second * t) for t in (work.seconds(flavor), work.limit(flavor)))
    return about if about == most else f"{about}, at most {most}"


def time_text(work: Work, flavor: Flavor) -> str:
    """ "about 6 min 0 s, of which 5 min 0 s for its libraries; ended after 30 min 0 s"."""
    about, setting_up = duration(work.seconds(flavor), whole=True), duration(SETTING_UP, whole=True)
    limit = duration(work.limit(flavor), whole=True)
    return f"about {about}, of which {setting_up} for its libraries; ended after {limit}"
