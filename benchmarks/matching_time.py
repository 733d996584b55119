"""How fast is weight matching, against a plain torch + scipy loop that does the same?

The baseline below is Git Re-Basin (arXiv:2209.04836, Algorithm 1) written down as plainly as it
can be: visit the spaces in random order, for each permute every tensor that touches it by all
other spaces' permutations, sum the inner products, solve one linear assignment, until a sweep
changes nothing. Same models, same spec, same objective, same visiting order; in float64, where
hubmerge multiplies in float32. It shares no code with hubmerge's matchers, of which two are timed:
`descent` is the same algorithm; `weights`, the default without data, puts steps of Frank-Wolfe
before it. What numba compiles is compiled before the clock starts.

CPU seconds on one thread. "objective" is the inner product of the parameters after matching: the
larger, the better matched. "planted" is B = a random symmetry of A plus noise of .3 standard
deviations per tensor; "independent" is B from another seed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

import common
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from hubmerge.assignment import linear_assignment
from hubmerge.matching import find_matcher
from hubmerge.specs.spec import Group, Spec
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation

PAIRS = ("planted", "independent")
MATCHERS = ("descent", "weights")
NOISE = 0.3
"""Standard deviation of the noise on a planted copy, in those of each tensor."""

HEADINGS = (
    *("model", "pair", "matcher", "hubmerge s", "plain s", "ratio"),
    *("hubmerge", "plain", "objective hubmerge", "objective plain"),
)

Grids = dict[str, tuple[Tensor, tuple[str | None, ...]]]
Permutation = dict[str, Tensor]
T = TypeVar("T")


def gridded(spec: Spec, state: Mapping[str, Tensor]) -> Grids:
    """Every parameter in float64 with one dimension per name: "(head qk) resid" has three."""
    grids: Grids = {}
    for tensor, layout in spec.tensors.items():
        if tensor not in spec.buffers:
            factors = [grid for (segment,) in layout.segments for grid in segment.grids]
            shape = [grid.size for grid in factors]
            names = tuple(grid.name for grid in factors)
            grids[tensor] = state[tensor].double().reshape(shape), names
    return grids


def reordered(
    spec: Spec, values: Tensor, names: tuple[str | None, ...], permutation: Permutation
) -> Tensor:
    """One parameter with all its dimensions permuted, outer spaces first."""
    for dimension, name in enumerate(names):
        if name is None or name not in permutation:
            continue
        outer = spec.spaces[name].within
        if outer is None:
            values = values.index_select(dimension, permutation[name])
            continue
        place = names.index(outer)
        inside = dimension - (place < dimension)
        heads = zip(values.unbind(place), permutation[name], strict=True)
        values = torch.stack([head.index_select(inside, row) for head, row in heads], place)
    return values


def plain_match(
    spec: Spec, anchor: Mapping[str, Tensor], other: Mapping[str, Tensor], seed: int = 0
) -> tuple[Permutation, int]:
    """The plainest coordinate descent. Returns the permutation and the sweeps it took."""
    ours, theirs = gridded(spec, anchor), gridded(spec, other)
    found = {
        name: torch.arange(size).expand(spec.index_shape(name)).clone()
        for name, size in spec.free_spaces().items()
    }
    order, sweeps = np.random.default_rng(seed), 0
    while True:
        sweeps += 1
        groups = [spec.groups[k] for k in order.permutation(len(spec.groups))]
        changed = [visit(spec, ours, theirs, found, group) for group in groups]
        if not any(changed):
            return found, sweeps


def visit(spec: Spec, ours: Grids, theirs: Grids, found: Permutation, group: Group) -> bool:
    """Solves one space, or heads with their insides. True if the objective rose."""
    rest = {name: index for name, index in found.items() if name not in group.members}
    if group.children:
        rise, scale, best = solve_heads(spec, ours, theirs, rest, found, group)
    else:
        rise, scale, best = solve_units(spec, ours, theirs, rest, found, group.root)
    if rise <= 1e-9 * scale:
        return False
    found.update(best)
    return True


def solve_units(
    spec: Spec, ours: Grids, theirs: Grids, rest: Permutation, found: Permutation, space: str
) -> tuple[float, float, Permutation]:
    """Returns what is gained over `found`, the size of what was summed, and the assignment."""
    scores = similarity(spec, ours, theirs, rest, (space,))
    rows, columns = linear_sum_assignment(scores, maximize=True)
    rise = scores[rows, columns].sum() - scores[rows, found[space].numpy()].sum()
    return rise, np.abs(scores).max() * len(rows), {space: torch.from_numpy(columns)}


def solve_heads(
    spec: Spec, ours: Grids, theirs: Grids, rest: Permutation, found: Permutation, group: Group
) -> tuple[float, float, Permutation]:
    """The same for heads: each pair is scored by the best assignments of its insides."""
    heads, before, scale = spec.sizes[group.root], 0.0, 0.0
    gains, insides = np.zeros((heads, heads)), {}
    for child in group.children:
        scores = similarity(spec, ours, theirs, rest, (group.root, child))
        scale += np.abs(scores).max() * scores.shape[1]
        for i in range(heads):
            for j in range(heads):
                rows, columns = linear_sum_assignment(scores[i, :, j], maximize=True)
                gains[i, j] += scores[i, rows, j, columns].sum()
                insides[child, i, j] = columns
            j = int(found[group.root][i])
            before += scores[i, rows, j, found[child][i].numpy()].sum()
    rows, columns = linear_sum_assignment(gains, maximize=True)
    best = {group.root: torch.from_numpy(columns)}
    for child in group.children:
        chosen = [insides[child, i, j] for i, j in zip(rows, columns, strict=True)]
        best[child] = torch.from_numpy(np.stack(chosen))
    return gains[rows, columns].sum() - before, scale, best


def similarity(
    spec: Spec, ours: Grids, theirs: Grids, rest: Permutation, wanted: tuple[str, ...]
) -> np.ndarray:
    """Inner products of our units with theirs, summed over the parameters: [n.., n..]."""
    shape = [spec.sizes[name] for name in wanted]
    units = int(np.prod(shape))
    total = torch.zeros(units, units, dtype=torch.float64)
    for tensor, (values, names) in theirs.items():
        if set(wanted) <= set(names):
            places = [names.index(name) for name in wanted]
            moved = reordered(spec, values, names, rest)
            left, right = (
                grid.movedim(places, list(range(len(places)))).reshape(units, -1)
                for grid in (ours[tensor][0], moved)
            )
            total += left @ right.T
    return total.reshape(*shape, *shape).numpy()


def objective(spec: Spec, ours: Grids, theirs: Grids, permutation: Permutation) -> float:
    """Inner product of all parameters, `theirs` permuted."""
    return sum(
        float((ours[tensor][0] * reordered(spec, values, names, permutation)).sum())
        for tensor, (values, names) in theirs.items()
    )


def planted(
    spec: Spec, state: Mapping[str, Tensor], seed: int, noise: float = NOISE
) -> dict[str, Tensor]:
    """A random symmetry of `state`, with noise on everything but counters."""
    generator = torch.Generator().manual_seed(seed)
    moved = permute(spec, state, random_permutation(spec, seed))
    return {
        name: value + noise * value.std() * torch.randn(value.shape, generator=generator)
        if value.is_floating_point()
        else value
        for name, value in moved.items()
    }


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds and result."""
    start = time.process_time()
    result = act()
    return time.process_time() - start, result


def compare(name: str, pair: str, quick: bool, symmetry: str) -> Iterator[list[str]]:
    """One row per matcher. Says on stderr what it is at, for it may take minutes."""
    model = common.build(name, 0, quick)
    whole, anchor = spec_of(model), model.state_dict()
    spec = whole.permutations_only
    if pair == "planted":
        other = planted(spec, anchor, seed=1)
    else:
        other = common.build(name, 1, quick).state_dict()
    grids = gridded(spec, anchor), gridded(spec, other)
    print(f"{name}, {pair}: plain ...", file=sys.stderr, flush=True)
    theirs, (permutation, sweeps) = timed(lambda: plain_match(spec, anchor, other, seed=0))
    reached = objective(spec, *grids, permutation)
    for matcher in MATCHERS:
        print(f"{name}, {pair}: {matcher} ...", file=sys.stderr, flush=True)
        match = find_matcher(matcher).function
        allowed = whole if symmetry == "all" else spec
        ours, found = timed(partial(match, allowed, anchor, other, seed=0))
        yield [
            name,
            pair,
            matcher,
            f"{ours:.2f}",
            f"{theirs:.2f}",
            f"{ours / theirs:.2f}",
            found.outcome,
            f"{sweeps} sweeps",
            # what is rotated as well has an objective of its own
            "-" if found.maps else f"{objective(spec, *grids, dict(found.permutation)):.6g}",
            f"{reached:.6g}",
        ]


def main() -> None:
    """Prints one line per model, pair and matcher."""
    parser = common.arguments(__doc__)
    parser.add_argument("--model", choices=common.SHAPES, action="append", help="only this one")
    parser.add_argument("--pair", choices=PAIRS, action="append", help="only this one")
    parser.add_argument(
        "--symmetry",
        choices=("permutations", "all"),
        default="permutations",
        help="what hubmerge may do; the plain loop permutes",
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    for precision in (np.float32, np.float64):
        linear_assignment(np.eye(2, dtype=precision))
    print(common.machine(), "one thread", sep="\n")
    common.show(
        HEADINGS,
        (
            row
            for name in options.model or common.SHAPES
            for pair in options.pair or PAIRS
            for row in compare(name, pair, options.quick, options.symmetry)
        ),
    )


if __name__ == "__main__":
    main()
