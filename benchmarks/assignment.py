"""How fast is the exact assignment, against scipy's on the same matrices?

Every matrix is a similarity of really trained, independent weights:

- "digits MLP": one hidden layer of n units, trained twice on scikit-learn's digits from other
  seeds, in this script. S = W1 W1'^T + b1 b1'^T + W2^T W2', units against units.
- "rows of A and B", for two models given by folder or Hub id: all weights as [out, in] (kernels
  flattened), those with the number of inputs that most rows share stacked, and the first n rows of
  A against those of B. S = W W'^T.

"cold" knows nothing but the matrix. "warm" starts from the cold solution after the similarity has
changed: "a little", every weight of B by a hundredth of the standard deviation; "rematched", one in
fifty of the inputs (two at least) matched anew, which may change it by a quarter.
CPU seconds, best of three, on one thread; both solvers' must be worth the same.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import common
import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits
from torch import nn
from transformers import AutoModelForImageClassification

from hubmerge.assignment import linear_assignment

SIZES = (1024, 2048, 4096)
QUICK_SIZES = (96,)
STEPS, ROWS, RATE = 300, 128, 1e-3
"""Of training a digits MLP: steps of Adam, images per step, learning rate."""
REMATCHED = 50
"""One in so many inputs is matched anew before the warm start."""
MOVED = 0.01
"""By how many standard deviations every weight changes before the other warm start."""
REPEATS = 3

HEADINGS = (
    *("weights", "n", "scipy cold s", "cold s", "ratio cold"),
    *("a little s", "ratio", "rematched s", "ratio rematched", "gap / (n eps max)"),
)
T = TypeVar("T")
Units = tuple[np.ndarray, np.ndarray]
"""[n, features] of two models: what is compared between units."""


def digits_units(n: int, quick: bool) -> Units:
    """Units of two digits MLPs: the pixels and bias they read, and the logits they write."""
    found = []
    for seed in range(2):
        first, last = train_digits(n, seed, STEPS // 100 if quick else STEPS)
        found.append(np.hstack([first.weight.detach(), first.bias.detach()[:, None]]))
        found[-1] = np.hstack([found[-1], last.weight.detach().T])
    return found[0], found[1]


def train_digits(n: int, seed: int, steps: int) -> tuple[nn.Linear, nn.Linear]:
    """Both layers of an MLP with n hidden units."""
    pixels, labels = load_digits(return_X_y=True)
    inputs, targets = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(labels)
    torch.manual_seed(seed)
    first, last = nn.Linear(inputs.shape[1], n), nn.Linear(n, 10)
    model = nn.Sequential(first, nn.ReLU(), last)
    optimizer = torch.optim.Adam(model.parameters(), RATE)
    for _ in range(steps):
        rows = torch.randint(len(inputs), (ROWS,))
        loss = nn.functional.cross_entropy(model(inputs[rows]), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return first, last


def model_units(names: list[str]) -> Units:
    """Rows of two models, with the number of inputs most rows share."""
    states = [AutoModelForImageClassification.from_pretrained(n).state_dict() for n in names]
    weights = [
        {k: v.float().flatten(1).numpy() for k, v in state.items() if v.ndim > 1}
        for state in states
    ]
    rows: Counter[int] = Counter()
    for weight in weights[0].values():
        rows[weight.shape[1]] += len(weight)
    (inputs, _) = rows.most_common(1)[0]
    wanted = [k for k, weight in weights[0].items() if weight.shape[1] == inputs]
    left, right = (np.vstack([weight[k] for k in wanted]) for weight in weights)
    return left, right


def timed(act: Callable[[], T]) -> tuple[float, T]:
    """The least CPU seconds of a few runs, and the result."""
    least = float("inf")
    for _ in range(REPEATS):
        start = time.process_time()
        result = act()
        least = min(least, time.process_time() - start)
    return least, result


def scipy_value(similarity: np.ndarray) -> float:
    """What scipy's assignment is worth."""
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return float(similarity[rows, columns].sum(dtype=np.float64))


def rematched(units: np.ndarray) -> np.ndarray:
    """`units` with a few of their features in another order."""
    draw = np.random.default_rng(0)
    few = draw.choice(units.shape[1], max(units.shape[1] // REMATCHED, 2), replace=False)
    moved = units.copy()
    moved[:, few] = units[:, np.roll(few, 1)]
    return moved


def moved(units: np.ndarray) -> np.ndarray:
    """`units` with every entry changed a little."""
    noise = np.random.default_rng(0).standard_normal(units.shape, dtype=units.dtype)
    return units + np.float32(MOVED) * units.std() * noise


def compare(name: str, left: np.ndarray, right: np.ndarray) -> list[str]:
    """One row of the table."""
    n = len(left)
    print(f"{name}, {n} ...", file=sys.stderr, flush=True)
    start, cells, gaps = None, [], []
    for change in (None, moved, rematched):
        similarity = left @ (change(right) if change else right).T
        theirs, best = timed(lambda s=similarity: scipy_value(s))
        ours, found = timed(lambda s=similarity, w=start: linear_assignment(s, warm=w))
        rounding = n * float(np.finfo(similarity.dtype).eps * np.abs(similarity).max())
        if abs(best - found.value) > rounding:
            raise SystemExit(f"{name}, {n}: scipy found {best}, hubmerge {found.value}")
        cells += [f"{ours:.4f}", f"{theirs / ours:.1f}"]
        gaps.append(found.gap / rounding)
        if start is None:
            start, cells = found, [f"{theirs:.4f}", *cells]
    return [name, str(n), *cells, f"{max(gaps):.1g}"]


def table(models: list[str], quick: bool) -> Iterator[list[str]]:
    """All rows, the models' first."""
    sizes = QUICK_SIZES if quick else SIZES
    if models:
        left, right = model_units(models)
        for n in sizes:
            if n <= len(left):
                yield compare("rows of A and B", left[:n].copy(), right[:n].copy())
    for n in sizes:
        yield compare("digits MLP", *digits_units(n, quick))


def main() -> None:
    """Prints one line per matrix."""
    parser = common.arguments(__doc__)
    parser.add_argument("models", nargs="*", help="two image classifiers: folders or Hub ids")
    options = parser.parse_args()
    if len(options.models) not in (0, 2):
        parser.error("give two models, or none")
    torch.set_num_threads(1)
    linear_assignment(np.eye(2, dtype=np.float32))  # compiled, or read from numba's cache
    print(common.machine(), "float32, one thread", sep="\n")
    common.show(HEADINGS, table(options.models, options.quick))


if __name__ == "__main__":
    main()
