"""Makes docs/images/ and the README's table of figures from a run of the demo.

The table also has what the demo's parents give at another effort, merged here.

    python docs/make_images.py                   # runs the demo first: some minutes
    python docs/make_images.py demo-output       # takes one that has been run

The picture of a card is a screenshot of its page on the embedded Hub, by Chromium; without
Chromium the one that is there stays.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_pages import ROOT, fill, table

from hubmerge.demo.run import DATASET, merged, parent
from hubmerge.demo.train import PARENT_CONFIGS, SEEDS, ParentConfig
from hubmerge.localhub import embedded_hub
from hubmerge.reporting.numbers import figure
from hubmerge.reporting.schema.report import Report

IMAGES = ROOT / "docs" / "images"
SHOWN = "resnet"
"""The merge whose card is pictured."""
TITLES = {"resnet": "ResNets"}
PLOTTED = ("resnet", "vit")
FIRST_PICTURE = ROOT / "spaces_app" / "ui" / "first_picture.json"
"""The curves on the first screen of the Space."""
OTHERS = (("--effort", "quick"),)
"""What is measured beside the demo's merges, which are of effort standard."""
WINDOW = (1060, 1180)
"""Pixels: the card's width, and down to the end of its table of contenders."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def run_demo(out: Path) -> None:
    """The demo as anyone runs it."""
    subprocess.run([sys.executable, "-m", "hubmerge.cli", "demo", "-o", str(out)], check=True)


def copy_plots(demo: Path) -> None:
    """The plots of two merges, as the merges wrote them."""
    for course in PARENT_CONFIGS:
        if course.name in PLOTTED:
            plot = demo / merged(course) / "barrier.png"
            shutil.copyfile(plot, IMAGES / f"barrier-{course.name}.png")


def write_first_picture(merge: Path) -> None:
    """What the Space's first picture shows, from the report of a merge."""
    report = Report.read(merge)
    detail, bars = report.barrier.detail, report.barrier
    assert report.data is not None
    assert detail.naive is not None
    assert detail.matched is not None
    points = {
        name: [[round(point.lam, 4), round(point.loss, 5)] for point in curve.points]
        for name, curve in (("naive", detail.naive), ("matched", detail.matched))
    }
    said = {
        "what": f"Two {TITLES[SHOWN]} trained apart",
        "models": [model.id for model in report.models],
        "rows": detail.naive.n,
        "unit": f"test {report.data.unit}",
        "barrier": {"naive": bars.naive, "matched": bars.matched},
        "hubmerge": report.run.versions["hubmerge"],
        **{name: sorted(points[name]) for name in points},
    }
    FIRST_PICTURE.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


def picture_card(demo: Path) -> None:
    """A screenshot of one merge's page."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        print(f"none of {', '.join(BROWSERS)} is installed: card.png stays as it is")
        return
    course = next(course for course in PARENT_CONFIGS if course.name == SHOWN)
    with (
        embedded_hub(demo / "hub") as hub,
        tempfile.TemporaryDirectory() as profile,
    ):
        options = [
            "--headless",
            "--hide-scrollbars",
            "--force-device-scale-factor=1.5",
            f"--user-data-dir={profile}",
            f"--window-size={WINDOW[0]},{WINDOW[1]}",
            f"--screenshot={IMAGES / 'card.png'}",
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        address = f"{hub.url}/{merged(course)}"
        subprocess.run([browser, *options, address], check=True, capture_output=True)


def merge_otherwise(demo: Path, course: ParentConfig, given: tuple[str, ...], out: Path) -> Report:
    """The demo's parents, merged as the demo does but for these options."""
    parents = [str(demo / parent(course, letter)) for letter in SEEDS]
    options = ["--dataset", str(demo / DATASET), "--samples", "all", *given, "-o", str(out), "-q"]
    command = [sys.executable, "-m", "hubmerge.cli", "merge", *parents, *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return Report.read(out)


def figures(demo: Path, scratch: Path) -> str:
    """What was measured: accuracies and barriers, one row a family."""

    def row(course: ParentConfig) -> tuple[str, ...]:
        report = Report.read(demo / merged(course))
        others = (
            merge_otherwise(demo, course, given, scratch / f"{course.name}-{given[1]}")
            for given in OTHERS
        )
        scores, barrier = report.contenders, report.barrier
        return (
            f"`{course.name}`",
            f"{figure(scores.parent_a.accuracy)}, {figure(scores.parent_b.accuracy)}",
            figure(scores.ensemble.accuracy),
            figure(scores.naive.accuracy),
            *(
                f"{figure(each.contenders.merge.accuracy)}, {each.verdict}"
                for each in (*others, report)
            ),
            figure(scores.refined_parent.accuracy) if scores.refined_parent else "",
            f"{figure(barrier.naive)} → {figure(barrier.matched)}",
        )

    headings = (
        *("family", "parents", "their ensemble", "naive average"),
        *(f"`{' '.join(given)}`" for given in OTHERS),
        *("merge (standard)", "better parent, refined alike"),
        "barrier, unmatched → matched",
    )
    return table(" | ".join(headings), [row(course) for course in PARENT_CONFIGS])


def main(demo: Path | None) -> None:
    """Everything, from `demo` or from a run of its own."""
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if demo is None:
            demo = Path(scratch) / "demo"
            run_demo(demo)
        copy_plots(demo)
        course = next(course for course in PARENT_CONFIGS if course.name == SHOWN)
        write_first_picture(demo / merged(course))
        picture_card(demo)
        readme = ROOT / "README.md"
        said = figures(demo, Path(scratch))
        readme.write_text(fill(readme, "figures", "docs/make_images.py", said), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None)
