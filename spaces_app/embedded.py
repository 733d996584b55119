"""The app beside a Hub of its own: two pairs of small models and their data are on it already."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hubmerge.demo.run import DATASET, DemoStep, parent, prepare
from hubmerge.demo.train import COURSES, SEEDS, Course
from hubmerge.localhub import EmbeddedHub, embedded_hub
from spaces_app.host import Example, Host

FAMILIES = ("vit", "resnet")
TITLES = {"vit": "two vision transformers", "resnet": "two ResNets", "mlp": "two small networks"}


@contextmanager
def beside_a_hub(root: Path, courses: Sequence[Course] | None = None) -> Iterator[Host]:
    """A Hub in `root`, filled once; inside, this process's Hub is that one."""
    wanted = courses or [course for course in COURSES if course.name in FAMILIES]
    with embedded_hub(root / "hub") as hub:
        stage = DemoStep(root, hub)
        if not _is_filled(hub, wanted):
            prepare(stage, wanted)
        before = dict(os.environ)
        os.environ |= _settings(stage)
        try:
            yield Host(
                root=root / "app",
                examples=tuple(map(example, wanted)),
                local_token=lambda: hub.token,
            )
        finally:
            os.environ.clear()
            os.environ |= before


def example(course: Course) -> Example:
    """A pair that was trained for this."""
    models = tuple(parent(course, letter) for letter in SEEDS)
    return Example(TITLES.get(course.name, course.name), models, DATASET)


def _settings(stage: DemoStep) -> dict[str, str]:
    given = stage.environment()
    names = [
        name for name in given if name.startswith(("HF_", "DISABLE_")) or "proxy" in name.lower()
    ]
    return {name: given[name] for name in names if name != "HF_TOKEN"}


def _is_filled(hub: EmbeddedHub, courses: Sequence[Course]) -> bool:
    api = hub.api()
    models = [parent(course, letter) for course in courses for letter in SEEDS]
    return api.repo_exists(DATASET, repo_type="dataset") and all(map(api.repo_exists, models))
