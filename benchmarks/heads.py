"""Merge pairs of MLP heads by the three matchers of Git Re-Basin (arXiv:2209.04836).

    python benchmarks/heads.py [--no-digits] [--dataset FOLDER] [options of hubmerge merge]

Trains two MLP heads from two seeds on scikit-learn's digits, as `hubmerge demo` does, and, with
`--dataset`, two of three hidden layers of 512 units on the pixels of that data set. Pushes them to
an embedded Hub, runs `hubmerge merge` with each matcher, and prints what the merge is worth
beside the parents and the naive average (accuracy, and loss after one temperature each), and how
far the loss rises on the straight path between the parents.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import common
from datasets import Dataset, Image, disable_progress_bars
from transformers.utils import logging

from hubmerge.data.dataset import open_data
from hubmerge.demo.train import SEEDS, ParentConfig, processor, train
from hubmerge.localhub import embedded_hub
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.reporting.schema.report import Report
from hubmerge.utils.progress import be_quiet

MATCHERS = ("activations", "weights", "straight-through")
"""arXiv:2209.04836, sections 3.1, 3.2 and 3.3."""

HIDDEN = (512, 512, 512)
"""Widths of the heads on pixels (the same paper's MLPs, section 5)."""
EPOCHS, RATE = 10, 1e-3
LARGEST = 32
"""Images are resized to no more pixels a side than this."""

HEADINGS = (
    "data",
    "match",
    "parent A",
    "parent B",
    "naive",
    "merge",
    "minus mean",
    "loss minus mean",
    "naive excess",
    "excess",
    "calibrated",
    "seconds",
)


@dataclass(frozen=True)
class Pair:
    """Two heads and the data they are from: names on a Hub, and folders to push there."""

    name: str
    parents: Sequence[Path]
    data: Path


def on_digits(folder: Path, quick: bool) -> Pair:
    """The heads of `hubmerge demo`."""
    parents, data = common.trained(folder, "mlp", tuple(SEEDS.values()), quick)
    return Pair("digits", parents, data)


def on_pixels(folder: Path, data: Path, quick: bool) -> Pair:
    """Heads on the images of any data set in a folder."""
    opened = open_data(data, ref=data.name)
    assert opened.image_column is not None
    assert opened.label_names is not None
    columns = {opened.image_column: "image", opened.label_column: "label"}
    rows = opened.splits[opened.calibration_split or opened.split]
    rows = rows.select_columns(list(columns)).rename_columns(
        {old: new for old, new in columns.items() if old != new}
    )
    rows = rows.cast_column("image", Image())  # opened, they are files yet
    names = opened.label_names
    side = min(LARGEST, *rows[0]["image"].size)

    def build(_: object) -> MlpHeadForClassification:
        return MlpHeadForClassification(
            MlpHeadConfig(
                input_size=3 * side**2,
                hidden_sizes=HIDDEN,
                id2label=dict(enumerate(names)),
                label2id={name: number for number, name in enumerate(names)},
            )
        )

    course = ParentConfig("pixels", build, side, EPOCHS, RATE)
    return Pair(data.name, trained(folder / data.name, course, rows, quick), data)


def trained(folder: Path, course: ParentConfig, rows: Dataset, quick: bool) -> list[Path]:
    """Folders of two heads that share everything but their seed."""
    course = replace(course, epochs=1) if quick else course
    parents = []
    for letter, seed in SEEDS.items():
        parents.append(folder.with_name(f"{folder.name}-{letter}"))
        train(course, seed, rows).save_pretrained(parents[-1])
        processor(course).save_pretrained(parents[-1])
    return parents


def merges(folder: Path, pair: Pair, more: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """A row of the table for every matcher."""
    with embedded_hub(folder / "hub") as hub:
        environment = hub.environment(home=folder / "home")
        a, b = (common.push(environment, path, "model") for path in pair.parents)
        data = common.push(environment, pair.data, "dataset")
        for match in MATCHERS:
            words = ["merge", a, b, "--effort", "quick", "--dataset", data, "--match", match, *more]
            print("$ hubmerge", *words, flush=True)
            out = folder / f"{pair.name}-{match}"
            start = time.perf_counter()
            command = [*common.HUBMERGE, *words, "-o", str(out), "--quiet"]
            subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
            seconds = time.perf_counter() - start
            yield (pair.name, match, *figures(Report.read(out)), f"{seconds:.0f}")


def figures(report: Report) -> tuple[str, ...]:
    """Accuracies of the parents, the naive average and the merge, which also against the parents'
    mean, as its calibrated loss is; largest excess losses on the straight path: naive, matched, and
    matched after one temperature per point, all in nats."""
    found, paths = report.contenders, report.barrier.detail
    shown = (found.parent_a, found.parent_b, found.naive, found.merge)
    a, b, naive, merge = (measured(each.accuracy) for each in shown)
    losses = [measured(each.calibrated_loss) for each in shown]
    assert paths.matched is not None
    assert paths.matched.calibrated_barrier is not None
    accuracies = (f"{value:.4f}" for value in (a, b, naive, merge))
    against = (merge - (a + b) / 2, losses[3] - (losses[0] + losses[1]) / 2)
    rises = (report.barrier.naive, report.barrier.matched, paths.matched.calibrated_barrier.value)
    shifts = (f"{value:+.4f}" for value in against)
    return (*accuracies, *shifts, *(f"{measured(rise):.4f}" for rise in rises))


def measured(figure: float | None) -> float:
    """A figure of a report that must have it."""
    assert figure is not None
    return figure


def main() -> None:
    """Prints the commands and one table."""
    parser = common.arguments(__doc__)
    parser.add_argument("--digits", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--dataset", type=Path, help="folder of images to train heads on as well")
    options, more = parser.parse_known_args()
    more = [*(common.SMALL if options.quick else ()), *more]
    be_quiet()
    disable_progress_bars()
    logging.disable_progress_bar()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        rows = [row for pair in pairs(folder, options) for row in merges(folder, pair, more)]
    common.show(HEADINGS, rows)


def pairs(folder: Path, options: argparse.Namespace) -> Iterator[Pair]:
    """What is merged."""
    if options.digits:
        yield on_digits(folder, options.quick)
    if options.dataset is not None:
        yield on_pixels(folder, options.dataset.resolve(), options.quick)


if __name__ == "__main__":
    main()
