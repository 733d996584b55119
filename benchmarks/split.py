"""Are two models that saw different classes worth more merged than either alone?

    python benchmarks/split.py [--family resnet] [options of hubmerge merge]

As in arXiv:2209.04836, section 5.4: one parent is trained on 80% of the digits 0 to 4 and 20% of
5 to 9, the other on the rest. The merge is held against both, the naive average, the ensemble, and
a network trained on everything. Losses in nats on the test images.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import common
from datasets import DatasetDict

from hubmerge.demo.digits import digits, write_digits
from hubmerge.demo.train import ParentConfig, write_parent
from hubmerge.reporting.schema.report import Report

SHARE = 5
"""Every so many-th image of a class goes to the other parent: 20%."""
WAYS = ("average", "least-squares", "late-least-squares")
HEADINGS = ("family", "contender", "loss", "calibrated loss", "accuracy")


def split_validation(splits: DatasetDict) -> list[DatasetDict]:
    """Training rows of both parents, 80/20 of opposite classes; both with the same test rows."""
    labels = splits["train"]["label"]
    seen: dict[int, int] = {}
    owners = []
    for label in labels:
        number = seen[label] = seen.get(label, -1) + 1
        owners.append((label >= 5) != (number % SHARE == SHARE - 1))
    return [
        DatasetDict(splits)
        | {"train": splits["train"].select([k for k, own in enumerate(owners) if own == which])}
        for which in (False, True)
    ]


def measured(folder: Path, course: ParentConfig, more: list[str]) -> list[tuple[str, ...]]:
    """The table of one family."""
    splits = digits()
    write_digits(folder / "digits")
    parts = [*split_validation(splits), splits]
    models = [
        write_parent(folder / f"{course.name}-{n}", course, n, part, repo=f"p{n}", dataset="digits")
        for n, part in enumerate(parts, 1)
    ]
    found = {}
    for fuse in WAYS:
        words = [
            "merge",
            *map(str, models[:2]),
            "--effort",
            "quick",
            "--dataset",
            str(folder / "digits"),
        ]
        words += ["--fuse", fuse, *more]
        out = folder / f"{course.name}-{fuse}"
        command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        scores = Report.read(out).contenders
        found |= {
            "parent, mostly 0 to 4": scores.parent_a,
            "parent, mostly 5 to 9": scores.parent_b,
            "naive average": found.get("naive average", scores.naive),
            "ensemble": scores.ensemble,
            f"merge, {fuse}": scores.merge,
        }
    words = [
        "merge",
        str(models[2]),
        str(models[0]),
        "--effort",
        "quick",
        "--dataset",
        str(folder / "digits"),
    ]
    out = folder / f"{course.name}-everything"
    command = [*common.HUBMERGE, *words, "--match", "none", *more, "-o", str(out), "--quiet"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found["trained on everything"] = Report.read(out).contenders.parent_a
    return [
        (course.name, name, *(f"{v:.4f}" for v in (s.loss, s.calibrated_loss, s.accuracy)))
        for name, s in found.items()
    ]


def main() -> None:
    """Prints one table per family."""
    common.every_family(__doc__, HEADINGS, measured)


if __name__ == "__main__":
    main()
