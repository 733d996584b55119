"""The options that say how closely and how far around a merge is looked at."""

from __future__ import annotations

from typing import Annotated

from hubmerge.cli.options import DATA, option

TrainSamples = Annotated[
    int | None,
    option(
        "--train-samples",
        help="Training rows to measure the paths on as well; the verdict does not see them.",
        panel=DATA,
    ),
]
PathPoints = Annotated[
    int | None,
    option(
        "--path-points",
        help="Points that may be added to a path's 11 until its maxima are settled. Default: 8.",
        panel=DATA,
        least=0,
    ),
]
Survey = Annotated[
    list[str] | None,
    option(
        "--survey",
        metavar="NAME",
        help="Show what lies around the merge as well: path or plane of two models, simplex of "
        "more. May be repeated.",
        panel=DATA,
    ),
]
