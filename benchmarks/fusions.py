"""What does each fusion cost, in evaluation passes?

    python benchmarks/fusions.py [--family resnet] [--fuse NAME ...]

Three networks are trained on scikit-learn's digits as `hubmerge demo` trains its two, and fused in
every way, each in a process of its own, on a fourth as their base where one is needed: fused and
repaired, not matched. The table shows the CPU seconds of that over those of one pass of one model
over the 1,000 calibration rows, and the most memory it held beyond what was held before, over the
float32 bytes of one model (a pass itself holds no more than noise). One thread. Linux
only, as the peak of memory is read from /proc/self.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import common

import hubmerge as hm
from hubmerge.demo.train import PARENT_CONFIGS
from hubmerge.evaluation.evaluate import logits
from hubmerge.fuse import Given, find_fusion, fusions
from hubmerge.models.method_context import MethodContext
from hubmerge.pipeline.merge_path import MergePath
from hubmerge.pipeline.open_data import open_splits
from hubmerge.repair import batch_norms, find_repair
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers

SEEDS = (0, 1, 2, 3)
HEADINGS = ("fusion", "needs", "CPU s", "passes", "MB", "models")


def measured(act: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of `act`, and the bytes it held at most beyond what was held before."""
    common.forget_peak()
    before, started = common.held("VmRSS"), time.process_time()
    act()
    return time.process_time() - started, max(0.0, common.held("VmHWM") - before)


def one(name: str, folders: list[str], data: str) -> None:
    """A pass and the fusion, in this process; figures go to stdout as JSON."""
    be_quiet()
    *models, base = (hm.load(folder) for folder in folders)
    recipe = hm.Recipe(models=tuple(folders[:-1]), dataset=data)
    splits, workers = open_splits(data, recipe, models[0]), Workers(threads=1)
    scratch = copy.deepcopy(models[0].model)
    states = [model.model.state_dict() for model in models]
    shown = splits.labelled_calibration if find_fusion(name).learns else splits.calibration
    context = MethodContext(None, scratch, shown, workers, splits.validation)
    repair = find_repair("batchnorm") if batch_norms(scratch) else None
    path = MergePath(repair, context, states, [1 / len(states)] * len(states))
    given = Given(base=base.model.state_dict())
    everything = [splits.calibration, splits.validation]
    for rows in everything:  # what has been read is kept
        logits(scratch, rows, workers)
    a_pass = measured(lambda: logits(scratch, splits.calibration, workers))
    fused = measured(lambda: path.fused(find_fusion(name), 1.0, given))
    size = sum(4 * value.numel() for value in states[0].values())
    print(json.dumps({"pass": a_pass[0], "fused": fused, "model": size}))


def row(name: str, folders: list[str], data: str) -> tuple[str, ...]:
    """One line of the table."""
    words = [sys.executable, __file__, "--one", name, "--data", data, *folders]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    seconds, size = found["fused"]
    return (
        name,
        find_fusion(name).needs,
        f"{seconds:.2f}",
        f"{seconds / found['pass']:.1f}",
        f"{size / 1e6:.1f}",
        f"{size / found['model']:.1f}",
    )


def main() -> None:
    """Prints the table."""
    parser = common.arguments(__doc__)
    parser.add_argument(
        "--family", choices=[course.name for course in PARENT_CONFIGS], default="resnet"
    )
    parser.add_argument("--fuse", nargs="+", choices=list(fusions()), help="only these")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--data", help=argparse.SUPPRESS)
    parser.add_argument("folders", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        one(options.one, options.folders, options.data)
        return
    be_quiet()
    print(common.machine())
    with tempfile.TemporaryDirectory() as temporary:
        parents, data = common.trained(Path(temporary), options.family, SEEDS, options.quick)
        folders = list(map(str, parents))
        names = options.fuse or list(fusions())
        common.show(HEADINGS, [row(name, folders, str(data)) for name in names])


if __name__ == "__main__":
    main()
