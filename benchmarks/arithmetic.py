"""How far a merge is off when another processor's arithmetic makes it again.

    python benchmarks/arithmetic.py [--family vit] [options of hubmerge merge]

Small networks of each family are trained on scikit-learn's digits, as `hubmerge demo` does, and
merged in several ways. Then `hubmerge verify` checks each merge with torch, its libraries and numpy
made to calculate as on a processor without AVX, which takes sums in another order. The table shows
the largest deviation of weights, in units in the last place of float32 of their tensor's largest
element, and of figures, both as a share of what `verify` allows.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import common

from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.utils.progress import be_quiet

PLAIN_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F",
}
"""Makes torch, MKL, oneDNN, OpenBLAS and numpy do without newer instructions."""

SEEDS = (0, 1)
WAYS = (
    (),
    ("--match", "weights"),
    ("--fuse", "least-squares"),
    ("--match", "activations", "--repair", "repair"),
    ("--match", "learned"),
)
HEADINGS = (
    "family",
    "options",
    "verify",
    "weights off",
    "of allowed",
    "figures of allowed",
    "worst",
)


def check(family: str, parents: Sequence[Path], data: Path, way: Sequence[str]) -> tuple[str, ...]:
    """One merge, checked by the other arithmetic: a row of the table."""
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "out"
        words = [
            "merge",
            *map(str, parents),
            "--effort",
            "quick",
            "--dataset",
            str(data),
            *way,
            "-o",
            str(out),
            "-q",
        ]
        subprocess.run([*common.HUBMERGE, *words], check=True, capture_output=True)
        done = subprocess.run(
            [*common.HUBMERGE, "verify", str(out), "--json", "-q"],
            env=os.environ | PLAIN_PROCESSOR,
            capture_output=True,
            text=True,
            check=False,
        )
    if not done.stdout:
        raise SystemExit(done.stderr)
    found = json.loads(done.stdout)
    weights = [each for each in found["checks"] if each["part"] == "weights"]
    figures = [each for each in found["checks"] if each["part"] not in ("weights", "alignment")]
    farthest = max(figures, key=share)
    return (
        family,
        " ".join(way) or "(default)",
        found["outcome"].replace(" ", "-"),
        f"{max((each['deviation'] or 0 for each in weights), default=0):.1e}",
        f"{max(map(share, weights)):.1e}",
        f"{share(farthest):.1e}",
        farthest["what"].replace(" ", "-") if share(farthest) else "-",
    )


def share(check: dict[str, Any]) -> float:
    """A check's deviation over its tolerance."""
    return float((check["deviation"] or 0) / (check["tolerance"] or 1))


def rows(
    folder: Path, family: str | None, quick: bool, more: Sequence[str]
) -> Iterator[tuple[str, ...]]:
    """The table, family by family; each row is also printed on stderr at once."""
    for course in PARENT_CONFIGS:
        if family in (None, course.name):
            parents, data = common.trained(folder, course.name, SEEDS, quick)
            for way in WAYS[:1] if quick or more else WAYS:
                row = check(course.name, parents, data, (*way, *more))
                print(*row, sep="  ", file=sys.stderr, flush=True)
                yield row


def main() -> None:
    """Prints the table."""
    parser = common.arguments(__doc__)
    parser.add_argument(
        "--family", choices=[course.name for course in PARENT_CONFIGS], help="only this"
    )
    options, more = parser.parse_known_args()
    be_quiet()
    print(common.machine())
    small = common.SMALL if options.quick else ()
    with tempfile.TemporaryDirectory() as temporary:
        found = list(rows(Path(temporary), options.family, options.quick, [*small, *more]))
    common.show(HEADINGS, found)


if __name__ == "__main__":
    main()
