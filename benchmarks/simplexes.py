"""Does aligning models jointly flatten their simplex, where matching each to the first does not?

    python benchmarks/simplexes.py [--family vit] [--draw FILE] [options of hubmerge simplex]

Trains 8 small networks from 8 seeds on scikit-learn's digits, as `hubmerge demo` trains its two.
`hubmerge simplex` measures the simplex of the first three and of the first five, aligned jointly,
refined, and star-like; `hubmerge complex` joins all 8. The barrier is in nats, after one
temperature per point; the interval is a paired bootstrap's.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import common

from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.utils.progress import be_quiet

SIZES, ALL = (3, 5), 8
QUICK = (3,), 3
"""How many models a simplex has, and the complex; and if it is only to run."""
HEADINGS = ("family", "models", "aligned", "barrier", "from", "to", "vertices", "inside")


def survey(kind: str, models: Sequence[Path], data: Path, out: Path, more: Sequence[str]) -> Any:
    """What a survey by the command line found."""
    words = [kind, *map(str, models), "--dataset", str(data), *more]
    print("$ hubmerge", *(Path(w).name if Path(w).is_absolute() else w for w in words), flush=True)
    command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads((out / f"{kind}.json").read_text())


def rows(family: str, count: int, found: Any) -> list[tuple[str, ...]]:
    """One row per way of aligning: the simplex barrier, and accuracies of two ensembles."""
    shown = []
    for each in found["simplexes"]:
        barrier = each["calibrated_barrier"] or each["barrier"]
        figures = (*(barrier[key] for key in ("value", "low", "high")),)
        ensembles = (each["vertices_ensemble"], each["drawn_ensemble"])
        cells = (f"{value:.4f}" for value in (*figures, *ensembles))
        shown.append((family, str(count), each["multi_match"], *cells))
    return shown


def main() -> None:
    """Prints both tables."""
    parser = common.arguments(__doc__)
    parser.add_argument(
        "--family", choices=[course.name for course in PARENT_CONFIGS], default="mlp"
    )
    parser.add_argument("--draw", type=Path, help="where to put the picture of the complex")
    options, more = parser.parse_known_args()
    more = [*(common.SMALL if options.quick else ()), *more]
    be_quiet()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        sizes, count = QUICK if options.quick else (SIZES, ALL)
        models, data = common.trained(folder, options.family, range(count), options.quick)
        table = []
        for count in sizes:
            found = survey("simplex", models[:count], data, folder / f"of-{count}", more)
            table += rows(options.family, count, found)
        found = survey("complex", models, data, folder / "complex", more)
        if options.draw:
            shutil.copyfile(folder / "complex" / "complex.png", options.draw)
    common.show(HEADINGS, table)
    low = sum(way["low"] for way in found["routes"])
    print(f"\n{found['sentence']}")
    tried, pairs = found["tried"], len(found["routes"])
    print(f"faces tried {tried}; pairs joined by a low route {low} of {pairs}")


if __name__ == "__main__":
    main()
