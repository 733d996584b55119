"""When do models become mergeable: with width, and during training?

    python benchmarks/mergeable.py [--draw FILE]

Trains pairs of MLPs of two hidden layers from two seeds on scikit-learn's digits: of several widths
(arXiv:2209.04836, section 5.2), and of one width for more and more epochs, beginning with none
(section 5.1). `hubmerge path --curve line` measures the barrier of each pair, aligned by weights
and as given. In nats, after one temperature per point.
"""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import common
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from transformers import PreTrainedModel

from hubmerge.demo.digits import digits, write_digits
from hubmerge.demo.train import PARENT_CONFIGS, write_parent
from hubmerge.models import MlpHeadConfig, MlpHeadForClassification
from hubmerge.utils.progress import be_quiet

WIDTHS = (8, 16, 32, 64, 128, 256, 512)
EPOCHS = (0, 1, 2, 4, 8, 16)
WIDTH, LONG = 512, 20
HEADINGS = ("width", "epochs", "accuracy", "as given", "aligned", "from", "to")


def build(width: int, labels: dict[str, Any]) -> PreTrainedModel:
    """A fresh network."""
    sizes = [width, width]
    return MlpHeadForClassification(
        MlpHeadConfig(input_size=3 * 8 * 8, hidden_sizes=sizes, **labels)
    )


def measured(folder: Path, width: int, epochs: int, more: list[str]) -> dict[str, float]:
    """Barriers of one pair."""
    (mlp,) = (course for course in PARENT_CONFIGS if course.name == "mlp")
    course = replace(mlp, build=partial(build, width), epochs=epochs)
    splits, data = digits(), folder / "digits"
    if not data.exists():
        write_digits(data)
    name = f"{width}-{epochs}"
    models = [
        write_parent(
            folder / f"{name}-{seed}", course, seed, splits, repo=f"{name}-{seed}", dataset="digits"
        )
        for seed in (1, 2)
    ]
    out = folder / name
    words = ["path", *map(str, models), "--dataset", str(data), "--curve", "line"]
    words += ["--match", "weights", "--samples", "all", *more, "-o", str(out), "--quiet"]
    command = [*common.HUBMERGE, *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    found = json.loads((out / "path.json").read_text())
    aligned = found["straight"]["calibrated_barrier"]
    return {
        "accuracy": found["naive"]["points"][0]["accuracy"],
        "as given": found["naive"]["calibrated_barrier"]["value"],
        "aligned": aligned["value"],
        "from": aligned["low"],
        "to": aligned["high"],
    }


def draw(found: dict[tuple[int, int], dict[str, float]]) -> bytes:
    """Two panels: the barrier over the width, and over the epochs."""
    canvas = Figure(figsize=(9, 3.6), dpi=150)
    FigureCanvasAgg(canvas)
    panels = canvas.subplots(1, 2)
    wide = [(width, found[width, LONG]) for width in WIDTHS if (width, LONG) in found]
    long = [
        (epochs, found[WIDTH, epochs]) for epochs in (*EPOCHS, LONG) if (WIDTH, epochs) in found
    ]
    titles = (f"width, after {LONG} epochs", f"epochs, width {WIDTH}")
    for axes, points, title in zip(panels, (wide, long), titles, strict=True):
        across = range(len(points))
        for name, colour in (("as given", "#D55E00"), ("aligned", "#0072B2")):
            axes.plot(across, [p[name] for _, p in points], color=colour, marker="o", label=name)
        axes.fill_between(
            across, [p["from"] for _, p in points], [p["to"] for _, p in points], alpha=0.2
        )
        axes.set_xticks(list(across), [str(at) for at, _ in points])
        axes.set_xlabel(title)
        axes.grid(True, axis="y", alpha=0.3)
    for axes in panels:
        axes.set_ylabel("barrier (nats, calibrated)")
    panels[0].legend(frameon=False)
    canvas.tight_layout()
    target = io.BytesIO()
    canvas.savefig(target, format="png", metadata={"Software": None})
    return target.getvalue()


def main() -> None:
    """Prints the table, and draws it."""
    parser = common.arguments(__doc__)
    parser.add_argument("--draw", type=Path, help="where to put the picture")
    options, more = parser.parse_known_args()
    be_quiet()
    print(common.machine())
    cases = [(width, LONG) for width in WIDTHS] + [(WIDTH, epochs) for epochs in EPOCHS]
    if options.quick:
        cases = [(8, 1), (8, 0)]
    found = {}
    with tempfile.TemporaryDirectory() as temporary:
        for case in cases:
            found[case] = measured(Path(temporary), *case, more)
    common.show(
        HEADINGS,
        [
            (str(width), str(epochs), *(f"{value:.4f}" for value in figures.values()))
            for (width, epochs), figures in found.items()
        ],
    )
    if options.draw:
        options.draw.write_bytes(draw(found))


if __name__ == "__main__":
    main()
