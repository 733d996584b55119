"""Merge real checkpoints the way a user does: by Hub id, through the command line.

    python benchmarks/zoo.py --a PARENT --b PARENT --dataset FOLDER [options of hubmerge merge]

Pushes two model folders and a data set folder to an embedded Hub in a temporary folder, runs
`hubmerge merge` on their Hub ids with the options given (such as `--match activations --samples
all`; `--effort quick` unless they say another), and prints the verdict, the contenders, the
barriers, what refining came to, and how long each stage and each trial took.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import common

from hubmerge.localhub import embedded_hub
from hubmerge.reporting.schema.report import Report


def merge(options: argparse.Namespace, more: list[str], folder: Path) -> tuple[Report, float]:
    """The report of the merge, and its wall seconds."""
    with embedded_hub(folder / "hub") as hub:
        environment = hub.environment(home=folder / "home")
        a, b = (common.push(environment, path, "model") for path in (options.a, options.b))
        data = common.push(environment, options.dataset, "dataset")
        effort = [] if "--effort" in more else ["--effort", "quick"]
        words = ["merge", a, b, *effort, "--dataset", data, *more]
        print("$ hubmerge", *words, flush=True)
        start = time.perf_counter()
        command = [*common.HUBMERGE, *words, "-o", str(folder / "out")]
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
        return Report.read(folder / "out"), time.perf_counter() - start


def main() -> None:
    """Prints verdict, contenders, barriers and times."""
    parser = common.arguments(__doc__)
    parser.add_argument("--a", type=Path, required=True, help="folder of parent A")
    parser.add_argument("--b", type=Path, required=True, help="folder of parent B")
    parser.add_argument("--dataset", type=Path, required=True, help="folder of the data set")
    options, more = parser.parse_known_args()
    if options.quick:
        more += ["--samples", "50", "--calibration-samples", "50"]
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        report, seconds = merge(options, more, Path(temporary))
    print(report.verdict_sentence)
    rows = {name: score for name, score in dict(report.contenders).items() if score is not None}
    common.show(
        ("contender", "accuracy", "loss", "calibrated loss", "n"),
        (
            (name, *map(figure, (c.accuracy, c.loss, c.calibrated_loss)), str(c.n))
            for name, c in rows.items()
        ),
    )
    print(
        f"barrier (nats)  naive {figure(report.barrier.naive)}  "
        f"matched {figure(report.barrier.matched)}  "
        f"matched, calibrated {figure(calibrated(report))}"
    )
    print(f"matching: {report.method.outcome}")
    for trial in report.method.fusions_tried or ():
        print(f"on validation rows, {trial}")
    if (refine := report.method.refine) is not None:
        print(f"merge, refined: {refine.merge}")
        print(f"{refine.parent}, refined: {refine.refined_parent}")
    for what, each in (("stages", report.run.seconds), ("trials", report.run.trials or {})):
        print(f"{what}: " + ", ".join(f"{name} {taken:.1f}" for name, taken in each.items()))
    print(f"{seconds:.1f} s in all")


def calibrated(report: Report) -> float | None:
    """The barrier of the matched path after one temperature per point."""
    path = report.barrier.detail.matched
    found = path.calibrated_barrier if path else None
    return found.value if found else None


def figure(value: float | None) -> str:
    """Four digits, or a dash for what was not measured."""
    return "-" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
