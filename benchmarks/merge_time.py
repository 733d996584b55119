"""How long does a whole merge take, against only reading both checkpoints and writing one?

`hubmerge merge A B -o OUT` without data, as a user runs it: start Python, import, plan, prove the
spec, load, match, fuse, write, reload, compare, report. Once with `--match none` and once with
`--match weights`. The baseline reads every byte of both safetensors files and writes one of them
again. Files are in the page cache in all cases; the models are random, of two seeds.

Three clocks: "wall"; "stages", wall without starting Python and importing (the sum of the stages
in the report); "cpu", processor seconds of the process and its threads, which other work on the
machine moves least.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import common
from safetensors.torch import load, save_file

from hubmerge.reporting.schema.report import Report

WEIGHTS = "model.safetensors"


@dataclass(frozen=True)
class Taken:
    """Seconds by clock, and by stage where there are stages."""

    wall: float
    cpu: float
    stages: dict[str, float]

    def clocks(self) -> dict[str, float]:
        """Clock -> seconds."""
        return {"wall": self.wall, "stages": sum(self.stages.values()), "cpu": self.cpu}


def read_two_write_one(a: Path, b: Path, target: Path) -> Taken:
    """What no merge can avoid."""
    start, busy = time.perf_counter(), time.process_time()
    kept, _ = (load((folder / WEIGHTS).read_bytes()) for folder in (a, b))
    save_file(kept, target)
    with target.open("rb") as written:
        os.fsync(written.fileno())
    wall = time.perf_counter() - start
    return Taken(wall, time.process_time() - busy, {"all": wall})


def merge(a: Path, b: Path, out: Path, match: str) -> Taken:
    """The command line, with the stages its report names."""
    command = [*common.HUBMERGE, "merge", str(a), str(b), "-o", str(out), "--match", match]
    start, busy = time.perf_counter(), children()
    subprocess.run([*command, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    return Taken(wall, children() - busy, Report.read(out).run.seconds)


def children() -> float:
    """CPU seconds of all processes that this one has waited for."""
    taken = os.times()
    return taken.children_user + taken.children_system


def main() -> None:
    """Prints one line per way of matching and clock, then the stages."""
    parser = common.arguments(__doc__)
    parser.add_argument("--model", choices=common.SHAPES, default="vit-b16")
    options = parser.parse_args()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        a, b = common.write_pair(folder, options.model, options.quick)
        size = (a / WEIGHTS).stat().st_size
        print(f"{options.model}, {size / 1e6:,.1f} MB per checkpoint")
        floor = read_two_write_one(a, b, folder / "floor.safetensors").clocks()
        runs = {match: merge(a, b, folder / match, match) for match in ("none", "weights")}
    common.show(
        ("match", "clock", "merge s", "read 2 write 1 s", "ratio"),
        (
            (match, clock, f"{taken:.2f}", f"{floor[clock]:.2f}", f"{taken / floor[clock]:.1f}")
            for match, run in runs.items()
            for clock, taken in run.clocks().items()
        ),
    )
    for match, run in runs.items():
        stages = ", ".join(f"{stage} {taken:.2f}" for stage, taken in run.stages.items())
        print(f"stages of --match {match}: {stages}")


if __name__ == "__main__":
    main()
