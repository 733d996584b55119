"""Do two text encoders that were trained apart merge?

    python benchmarks/encoders.py [--store FOLDER] [options of hubmerge merge]

Two small BERTs learn from scratch, from different seeds: masked words of source code first, then
which of eight packages a passage is from. They are averaged as they are, matched by permutations,
matched by every symmetry of the family, and with least squares; shown beside the parents and their
ensemble, on passages of files that neither was trained or chosen on. Losses in nats.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import common
import trained

from hubmerge.reporting import numbers as figures
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.progress import be_quiet

WAYS = {
    "permutations": ("--symmetry", "permutations"),
    "every symmetry": ("--symmetry", "all"),
    "every symmetry, least squares": ("--symmetry", "all", "--fuse", "least-squares"),
}
PARENTS = {
    "parent A": "parent_a",
    "parent B": "parent_b",
    "ensemble": "ensemble",
    "naive average": "naive",
}
HEADINGS = ("contender", "loss", "accuracy", "barrier")


def main() -> None:
    parser = common.arguments(__doc__)
    parser.add_argument("--store", type=Path, help="where what was trained is kept")
    chosen, more = parser.parse_known_args()
    course = trained.QUICK if chosen.quick else trained.Course()
    more = [*(common.SMALL if chosen.quick else ("--samples", "all")), *more]
    be_quiet()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        store = chosen.store or place / "store"
        parents = [str(trained.encoder(store, seed, course)) for seed in (1, 2)]
        data = write_passages(place / "passages")
        common.show(HEADINGS, measured(place, parents, data, more))


def write_passages(folder: Path) -> Path:
    """The passages, as a data set's folder."""
    folder.mkdir()
    for split, rows in trained.passages().items():
        rows.to_parquet(folder / f"{split}.parquet")
    return folder


def measured(place: Path, parents: list[str], data: Path, more: list[str]) -> list[tuple[str, ...]]:
    """The table."""
    found: list[tuple[str, ...]] = []
    for number, (name, options) in enumerate(WAYS.items()):
        out = place / f"merge-{number}"
        words = [
            "merge",
            *parents,
            "--effort",
            "quick",
            "--dataset",
            str(data),
            *options,
            *more,
            "-o",
            str(out),
            "-q",
        ]
        subprocess.run([*common.HUBMERGE, *words], check=True, stdout=subprocess.DEVNULL)
        report = Report.read(out)
        if not found:
            found = [line(said, report, key) for said, key in PARENTS.items()]
        found.append(line(name, report, "merge"))
    return found


def line(name: str, report: Report, key: str) -> tuple[str, ...]:
    """One contender's line: with a barrier if it stands on the path that is measured."""
    score = getattr(report.contenders, key)
    matched = report.barrier.matched if report.method.fuse == "average" else None
    barrier = {"naive": report.barrier.naive, "merge": matched}.get(key)
    return (
        name,
        f"{score.loss:.4f}",
        f"{score.accuracy:.4f}",
        figures.figure(barrier),
    )


if __name__ == "__main__":
    main()
