"""Which fusion is best for fine-tunes of one base?

    python benchmarks/finetunes.py [--store FOLDER] [--dataset FOLDER] [--fuse NAME ...]

A small ViT is trained on scikit-learn's digits (or on the pictures of a data set in a folder, such
as CIFAR-10), then fine-tuned on eight tasks (`finetune_tasks.py`). The encoders are merged in every
way there is for fine-tunes, each task keeps its own head, and every task's test rows are measured
with it. A score is the merge's accuracy over that of the task's own model, averaged over tasks.
Fusions with a `scale` are shown with the default and with the scale that is best on validation
rows, as the papers tune it. Calibration rows are unlabelled, a few dozen of each task. One thread.
"""

from __future__ import annotations

import copy
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import common
import torch
from finetune_tasks import (
    HEAD,
    QUICK,
    TASKS,
    Course,
    Rows,
    accuracy,
    base_model,
    fine_tune,
    pictures,
    task_rows,
)
from torch import Tensor
from transformers import ViTForImageClassification
from transformers.utils import logging

from hubmerge.fuse import Given, find_fusion
from hubmerge.models.method_context import MethodContext, TaskRows
from hubmerge.utils.input_batches import NoBatches
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers

SCALES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
WAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("average", {}),
    ("task-arithmetic", {}),
    ("ties", {}),
    ("consensus", {}),
    ("localize-and-stitch", {}),
    ("task-arithmetic", {"svc": 0.1}),
    ("task-arithmetic", {"lines": 0.5}),
    ("tsv-m", {}),
    ("iso-c", {}),
    ("iso-cts", {}),
    ("iso-c", {"svc": 0.1}),
    ("wudi", {}),
    ("wudi", {"steps": 300}),
    ("wudi", {"svc": 0.1}),
    ("wudi", {"lines": 0.5}),
    ("knots", {}),
    ("core-space", {}),
    ("regmean", {}),
    ("regmean-pp", {}),
    ("least-squares", {}),
    ("esm", {}),
    ("adamerging", {}),
)
"""Fusions and their options."""

State = Mapping[str, Tensor]


class Fold:
    """Calibration rows of a task as the batches that fusions read."""

    def __init__(self, rows: Rows) -> None:
        self._parts = rows[0].split(100)

    def __len__(self) -> int:
        return len(self._parts)

    def __getitem__(self, number: int) -> Fold.Batch:
        return Fold.Batch(self._parts[number])

    class Batch:
        """One of them."""

        def __init__(self, shades: Tensor) -> None:
            self.inputs = {"pixel_values": 2 * shades - 1}

        def __len__(self) -> int:
            return len(self.inputs["pixel_values"])


class Bench:
    """Base, fine-tunes and rows, and how good an encoder is with every task's head."""

    def __init__(self, folders: list[Path], base: Path, rows: list[dict[str, Rows]]) -> None:
        self.model = ViTForImageClassification.from_pretrained(base).eval()
        self.base = copy.deepcopy(self.model.state_dict())
        load = ViTForImageClassification.from_pretrained
        self.states = [load(folder).state_dict() for folder in folders]
        self.rows = rows
        heads = frozenset(name for name in self.base if name.startswith(HEAD))
        own = tuple(Fold(each["calibration"]) for each in rows)
        scratch, workers = copy.deepcopy(self.model), Workers(threads=1)
        tasks = TaskRows(own, heads)
        self.context = MethodContext(None, scratch, NoBatches(), workers, tasks=tasks)
        self.single = [self.accuracies(own, "test")[n] for n, own in enumerate(self.states)]

    def accuracies(self, encoder: State, kind: str) -> list[float]:
        """Of every task."""
        found = []
        for state, rows in zip(self.states, self.rows, strict=True):
            heads = {name: value for name, value in state.items() if name.startswith(HEAD)}
            self.model.load_state_dict({**encoder, **heads})
            found.append(accuracy(self.model, rows[kind]))
        return found

    def merged(self, name: str, options: Mapping[str, Any]) -> dict[str, Tensor]:
        """What a fusion makes of the fine-tunes."""
        weights = [1 / len(self.states)] * len(self.states)
        given = Given(base=self.base, options=options)
        return find_fusion(name).fuse(self.states, weights, self.context, given)

    def scaled(self, state: State, scale: float) -> dict[str, Tensor]:
        """The same with what it adds to the base multiplied."""
        return {name: start + scale * (state[name] - start) for name, start in self.base.items()}

    def score(self, accuracies: list[float]) -> float:
        """The mean over tasks, in per cent of the task's own model."""
        shares = [one / (own or 1.0) for one, own in zip(accuracies, self.single, strict=True)]
        return 100 * sum(shares) / len(shares)


def measured(bench: Bench, name: str, options: Mapping[str, Any]) -> list[str]:
    """A line of the table: with its default scale, and with the best one on validation rows."""
    started = time.process_time()
    state = bench.merged(name, options)
    seconds = time.process_time() - started
    label = " ".join([name, *(f"{key}={value}" for key, value in options.items())])
    plain = bench.accuracies(state, "test")
    best, scale = plain, "-"
    if "scale" in find_fusion(name).options:
        tried = {s: sum(bench.accuracies(bench.scaled(state, s), "validation")) for s in SCALES}
        chosen = max(tried, key=lambda each: tried[each])
        best, scale = bench.accuracies(bench.scaled(state, chosen), "test"), f"{chosen:g}"
    accuracies = (f"{100 * one:.0f}" for one in best)
    score = f"{bench.score(best):.1f}"
    row = [label, f"{bench.score(plain):.1f}", score, scale, *accuracies, f"{seconds:.1f}"]
    print(*row, file=sys.stderr, flush=True)
    return row


def main() -> None:
    """Prints the table."""
    parser = common.arguments(__doc__)
    parser.add_argument("--store", type=Path, help="where trained models are kept")
    parser.add_argument("--dataset", type=Path, help="folder of an image data set of ten classes")
    parser.add_argument("--pictures", type=int, default=1797, help="that are used at most")
    parser.add_argument("--fuse", nargs="+", help="only these fusions")
    options = parser.parse_args()
    be_quiet()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    torch.set_num_threads(1)
    course, most = (QUICK, 200) if options.quick else (Course(), options.pictures)
    what = "digits" if options.dataset is None else options.dataset.resolve().name
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        store = options.store or Path(temporary)
        source = pictures(options.dataset, most)
        base = base_model(store, source, course, what)
        rows = [task_rows(source, task) for task in TASKS]
        folders = [
            fine_tune(store, base, task, each["train"], course, what)
            for task, each in zip(TASKS, rows, strict=True)
        ]
        bench = Bench(folders, base, rows)
    single = [f"{100 * one:.0f}" for one in bench.single]
    alone = bench.accuracies(bench.base, "test")
    ways = [way for way in WAYS if options.fuse is None or way[0] in options.fuse]
    common.show(
        ("fusion", "default", "tuned", "scale", *TASKS, "CPU s"),
        [
            ["single models", "100.0", "100.0", "-", *single, "-"],
            [
                "base, tasks' heads",
                *[f"{bench.score(alone):.1f}"] * 2,
                "-",
                *(f"{100 * one:.0f}" for one in alone),
                "-",
            ],
            *(measured(bench, name, given) for name, given in ways),
        ],
    )


if __name__ == "__main__":
    main()
