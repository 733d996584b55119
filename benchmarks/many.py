"""Merge three models at once and hold the merge against the best of them.

    python benchmarks/many.py [--family resnet] [options of hubmerge merge]
    python benchmarks/many.py --parents A B C --dataset FOLDER [options of hubmerge merge]

Without `--parents`, three small networks of each family are trained from seeds 0, 1 and 2 on
scikit-learn's digits, as `hubmerge demo` trains its two. Then `hubmerge merge A B C` runs as it is,
by effort standard, and for every way to bring them together, with `--effort quick --fuse
least-squares` unless the options say otherwise, and one table shows the merge, the best parent and
what lies between them.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import common

from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.progress import be_quiet

SEEDS = (0, 1, 2)
WAYS = (
    ("cycle-consistent", "activations"),
    ("star", "activations"),
    ("cycle-consistent", "weights"),
    ("merge-many", "weights"),
    ("star", "weights"),
)
"""How three are brought together, and by which matcher."""
FUSE = ("--fuse", "least-squares")
STANDARD = ("standard", "auto")
"""The row of what effort standard makes of them."""
HEADINGS = (
    "family",
    "multi_match",
    "match",
    "merge",
    "best parent",
    "difference",
    "naive",
    "ensemble",
)


def merges(
    folder: Path, family: str, parents: Sequence[Path], data: Path, more: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """A row of the table for every way together."""
    for together, match in (STANDARD, *WAYS):
        words = ["merge", *map(str, parents), "--dataset", str(data)]
        if (together, match) != STANDARD:
            words += ["--effort", "quick", "--multi-match", together, "--match", match]
            words += [] if "--fuse" in more else FUSE
        words += more
        out = folder / f"{family}-{together}-{match}"
        print("$ hubmerge", *(Path(w).name if Path(w).is_absolute() else w for w in words))
        command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        yield (family, together, match, *figures(Report.read(out)))


def figures(report: Report) -> tuple[str, ...]:
    """Accuracies of the merge, the best parent, both apart, the naive average, the ensemble."""
    found = report.contenders
    best = max(parent.accuracy or 0.0 for parent in found.parents)
    merge = found.merge.accuracy or 0.0
    naive, ensemble = found.naive.accuracy or 0.0, found.ensemble.accuracy or 0.0
    shown = (merge, best, naive, ensemble)
    cells = [f"{value:.4f}" for value in shown]
    return (*cells[:2], f"{merge - best:+.4f}", *cells[2:])


def main() -> None:
    """Prints the commands and one table per family."""
    parser = common.arguments(__doc__)
    parser.add_argument(
        "--family", choices=[course.name for course in PARENT_CONFIGS], help="only this"
    )
    parser.add_argument("--parents", type=Path, nargs="+", help="folders of three parents or more")
    parser.add_argument("--dataset", type=Path, help="folder of their data set")
    options, more = parser.parse_known_args()
    more = [*(common.SMALL if options.quick else ()), *more]
    be_quiet()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [row for given in places(folder, options) for row in merges(folder, *given, more)]
    common.show(HEADINGS, rows)


def places(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, Sequence[Path], Path]]:
    """What is merged: a name, the parents' folders, the data set's."""
    if options.parents:
        yield "given", [path.resolve() for path in options.parents], options.dataset.resolve()
        return
    for course in PARENT_CONFIGS:
        if options.family in (None, course.name):
            yield course.name, *common.trained(folder, course.name, SEEDS, options.quick)


if __name__ == "__main__":
    main()
