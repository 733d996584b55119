"""What it gains to bring units to one size before they are matched and averaged.

    python benchmarks/scales.py [--family resnet] [options of hubmerge merge]

Pairs of small networks of every family with scales are trained on scikit-learn's digits, as
`hubmerge demo` trains its two. Each pair is merged with nothing scaled, with units scaled, and with
inputs of batch norms scaled as well, by `--match synthetic` unless the options say otherwise.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import common

from hubmerge.reporting.schema.report import Report
from hubmerge.specs.spec import ALL, MAPS, SCALES
from hubmerge.utils.progress import be_quiet

FAMILIES = ("resnet", "mlp")
PAIRS = ((1, 2), (3, 4))
HOW_MUCH = (MAPS, SCALES, ALL)
MATCH = ("--match", "synthetic")


def losses(
    folder: Path, family: str, parents: Sequence[Path], data: Path, more: Sequence[str]
) -> Iterator[str]:
    """The merge's calibrated loss for every amount of scaling."""
    for symmetry in HOW_MUCH:
        out = folder / f"{family}-{symmetry}"
        words = [
            "merge",
            *map(str, parents),
            "--effort",
            "quick",
            "--dataset",
            str(data),
            "--symmetry",
            symmetry,
            *more,
        ]
        command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        merge = Report.read(out).contenders.merge
        yield f"{merge.calibrated_loss:.4f}"


def main() -> None:
    """Prints one table, a row per pair."""
    parser = common.arguments(__doc__)
    parser.add_argument("--family", choices=FAMILIES, help="only this")
    options, more = parser.parse_known_args()
    more = [*(() if "--match" in more else MATCH), *(common.SMALL if options.quick else ()), *more]
    be_quiet()
    print(common.machine())
    rows = []
    for family in FAMILIES:
        for seeds in PAIRS:
            if options.family not in (None, family):
                continue
            with tempfile.TemporaryDirectory() as temporary:
                folder = Path(temporary)
                parents, data = common.trained(folder, family, seeds, options.quick)
                found = losses(folder, family, parents, data, more)
                rows.append((family, "{} and {}".format(*seeds), *found))
    common.show(("family", "seeds", *HOW_MUCH), rows)


if __name__ == "__main__":
    main()
