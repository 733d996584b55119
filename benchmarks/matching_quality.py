"""Does Frank-Wolfe find more than coordinate descent from many starts, and how soon?

Compares `weights` (Frank-Wolfe, then coordinate descent) with the best of several runs of `descent`
that visit the spaces in other orders, and with the time one plain torch + scipy loop needs (see
`matching_time.py`). "objective" is the inner product of the parameters, larger is better matched;
"recovered" the share of units brought back to where a planted symmetry had taken them. CPU seconds
on one thread; permutations alone, on which all three work.

    python benchmarks/matching_quality.py [--a MODEL --b MODEL]

By default on models of ResNet-50's shape: B = A permuted plus heavy noise, and two seeds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import common
import matching_time
import numpy as np
import torch
from torch import Tensor
from transformers import AutoModelForImageClassification

from hubmerge.assignment import linear_assignment
from hubmerge.matching.methods.descent import match_descent
from hubmerge.matching.methods.weights import match_weights
from hubmerge.specs.spec import Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import invert, random_permutation

RESTARTS = 8
NOISES = (3.0, 4.0)
"""Standard deviations of the noise on a planted copy, in those of each tensor."""

HEADINGS = ("pair", "what", "CPU s", "objective", "recovered")


@dataclass(frozen=True)
class Pair:
    """Two models; planted: the permutation that made the second of the first."""

    name: str
    spec: Spec
    anchor: Mapping[str, Tensor]
    other: Mapping[str, Tensor]
    planted: Mapping[str, Tensor] | None = None


def made(quick: bool) -> Iterator[Pair]:
    """ResNet-50's shape: planted under each noise, and independent."""
    model = common.build("resnet50", 0, quick)
    spec, anchor = spec_of(model), model.state_dict()
    for noise in NOISES:
        other = matching_time.planted(spec, anchor, seed=1, noise=noise)
        yield Pair(f"planted, noise {noise:g}", spec, anchor, other, random_permutation(spec, 1))
    yield Pair("independent", spec, anchor, common.build("resnet50", 1, quick).state_dict())


def given(a: Path, b: Path) -> Iterator[Pair]:
    """Two checkpoints of one shape."""
    first, last = (AutoModelForImageClassification.from_pretrained(path) for path in (a, b))
    spec = spec_of(first).permutations_only
    yield Pair("given", spec, first.state_dict(), last.state_dict())


def compare(pair: Pair, restarts: int) -> Iterator[tuple[str, ...]]:
    """A row each for Frank-Wolfe, one descent, the best of many, and the plain loop."""
    arguments = (pair.spec, pair.anchor, pair.other)
    grids = tuple(matching_time.gridded(pair.spec, state) for state in arguments[1:])

    def row(what: str, seconds: float, found: Mapping[str, Tensor]) -> tuple[str, ...]:
        reached = matching_time.objective(pair.spec, *grids, dict(found))
        return pair.name, what, f"{seconds:.2f}", f"{reached:.6g}", recovered(pair, found)

    print(f"{pair.name} ...", file=sys.stderr, flush=True)
    seconds, match = matching_time.timed(partial(match_weights, *arguments))
    yield row("weights", seconds, match.permutation)
    runs = [
        matching_time.timed(partial(match_descent, *arguments, seed=seed))
        for seed in range(restarts)
    ]
    best = max(
        (run.permutation for _, run in runs),
        key=lambda found: matching_time.objective(pair.spec, *grids, dict(found)),
    )
    yield row("descent", runs[0][0], runs[0][1].permutation)
    yield row(f"descent, best of {restarts}", sum(taken for taken, _ in runs), best)
    seconds, (found, _) = matching_time.timed(
        partial(matching_time.plain_match, *arguments, seed=0)
    )
    yield row("plain loop", seconds, found)


def recovered(pair: Pair, found: Mapping[str, Tensor]) -> str:
    """Share of units at their place, or a dash where it is unknown."""
    if pair.planted is None:
        return "-"
    wanted = invert(pair.spec, pair.planted)
    right = sum(int((found[space] == index).sum()) for space, index in wanted.items())
    return f"{right / sum(index.numel() for index in wanted.values()):.3f}"


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = common.arguments(__doc__)
    parser.add_argument("--a", type=Path, help="folder of a checkpoint")
    parser.add_argument("--b", type=Path, help="folder of another of the same shape")
    parser.add_argument("--restarts", type=int, default=RESTARTS, help="runs of descent")
    found = parser.parse_args()
    if (found.a is None) != (found.b is None):
        parser.error("give both --a and --b, or neither")
    return found


def main() -> None:
    """Prints four lines per pair."""
    asked = options()
    torch.set_num_threads(1)
    for precision in (np.float32, np.float64):
        linear_assignment(np.eye(2, dtype=precision))
    print(common.machine(), "one thread", sep="\n")
    pairs = given(asked.a, asked.b) if asked.a else made(asked.quick)
    common.show(HEADINGS, (row for pair in pairs for row in compare(pair, asked.restarts)))


if __name__ == "__main__":
    main()
