"""Can two models that know disjoint classes become one that knows them all?

    python benchmarks/joined.py [--family resnet] [options of hubmerge merge]

One parent is trained on the digits 0 to 4 alone and has no other outputs, the other on 5 to 9.
They are joined by `--heads join`, and held against the naive average, the ensemble, and a network
trained on everything. Losses in nats on the test images of all ten digits; "own labels" is the
accuracy on the rows of each parent's digits, with nothing else to choose among.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import common
from datasets import ClassLabel, DatasetDict

from hubmerge.demo.digits import NAMES, digits, write_digits
from hubmerge.demo.train import ParentConfig, write_parent
from hubmerge.reporting import numbers as figures
from hubmerge.reporting.schema.report import Report

HALVES = (NAMES[:5], NAMES[5:])
WAYS = ("average", "least-squares")
HEADINGS = ("family", "contender", "accuracy", "calibrated loss", "own labels")


def of_classes(splits: DatasetDict, names: Sequence[str]) -> DatasetDict:
    """The rows of these classes, numbered in this order."""
    places = {NAMES.index(name): number for number, name in enumerate(names)}

    def kept(split: str) -> list[int]:
        return [row for row, label in enumerate(splits[split]["label"]) if label in places]

    parts = {}
    for split in splits:
        part = splits[split].select(kept(split))
        labels = [places[label] for label in part["label"]]
        part = part.remove_columns("label").add_column("label", labels)
        parts[split] = part.cast_column("label", ClassLabel(names=list(names)))
    return DatasetDict(parts)


def measured(folder: Path, course: ParentConfig, more: list[str]) -> list[tuple[str, ...]]:
    """The table of one family."""
    splits = digits()
    data = write_digits(folder / "digits")
    low, high, everything = (
        str(write_parent(folder / f"{course.name}-{n}", course, n, part, repo=f"p{n}", dataset="d"))
        for n, part in enumerate((*(of_classes(splits, names) for names in HALVES), splits), 1)
    )
    found: list[tuple[str, ...]] = []
    for fuse in WAYS:
        report = merged(folder / fuse, [low, high], data, ["--fuse", fuse, *more])
        if not found:
            found = [line(course, name, report, key) for name, key in CONTENDERS.items()]
        found.append(line(course, f"merge, {fuse}", report, "merge"))
    report = merged(folder / "all", [everything] * 2, data, ["--match", "none", *more], "same")
    return [*found, line(course, "trained on everything", report, "parent_a")]


CONTENDERS = {
    "parent, 0 to 4": "parent_a",
    "parent, 5 to 9": "parent_b",
    "naive average": "naive",
    "ensemble": "ensemble",
}


def merged(
    out: Path, models: list[str], data: Path, more: list[str], heads: str = "join"
) -> Report:
    """What the command line makes of `models`."""
    words = ["merge", *models, "--effort", "quick", "--dataset", str(data), "--heads", heads, *more]
    command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return Report.read(out)


def line(course: ParentConfig, name: str, report: Report, key: str) -> tuple[str, ...]:
    """One contender's line."""
    score = getattr(report.contenders, key)
    known = report.heads.known if report.heads else []
    own = [figures.figure(each.accuracy[key]) for each in known if key in each.accuracy]
    shown = f"{score.accuracy:.4f}", f"{score.calibrated_loss:.4f}"
    return course.name, name, *shown, ", ".join(own) or figures.MISSING


def main() -> None:
    """Prints one table per family."""
    common.every_family(__doc__, HEADINGS, measured)


if __name__ == "__main__":
    main()
