"""Whatever of a published merge's report and recipe is changed does not hold, leaf by leaf.

The cheat is a careful one: card, pictures and badge are drawn anew from the changed report.
"""

from __future__ import annotations

import importlib
import itertools
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

import hubmerge as hm
from hubmerge.errors import HubmergeError
from hubmerge.pipeline.merge_result import MergeResult
from hubmerge.recipe import DataRecipe, Recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.write import write_report
from hubmerge.utils.progress import be_quiet
from hubmerge.utils.workers import Workers
from hubmerge.verification.result import Outcome
from tests.helpers import small_merges

FREE = {
    "run.date": "when it was made",
    "run.seconds": "how long it took there",
    "run.trials": "how long each trial took there",
    "run.versions": "other versions are unlike, and said to be where they count; of hubmerge, "
    "nothing is settled",
    "run.arithmetic": "of another one nothing is made again, which is said",
    "run.processes": "the machine",
    "run.threads_per_process": "the machine",
    "run.intra_op_threads": "the machine",
    "run.device": "the machine, which is shown beside the one that verifies",
    "run.processor": "the machine: of a refined merge of another kind nothing is made again",
    "published": "where it was published: looked up, not read",
    "models.*.revision": "what was asked for; what was merged is the commit",
    "data.revision": "the same",
}
"""Fields of a report that say nothing of the merge, and why."""
SAME = {
    "symmetry": "of an MLP scales are all",
    "multi_match": "of two models none is used",
    "repair": "what auto comes to",
    "refine": "the effort's",
    "fuse": "the effort's",
    "samples": "all is what there is",
    "max_shard_size": "one file all the same",
    "memory": "never followed: the machine is the verifying user's",
    "device": "the same",
    "trust_remote_code": "never followed",
    "dtype": "the parents' own",
    "dequantize": "nothing is quantised",
    "weights": "even ones are a lambda",
    "path": "no other length without points of its own",
    "dataset": "columns and splits that are found without being named",
    "align_labels": "both number the same names alike",
    "heads": "joined heads of equal labels are the same",
    "shas": "never followed: the report's are",
    "trials": "what the effort stands for",
    "train_samples": "the same, where no path is measured on them",
    "calibration_samples": "the same where no row is looked at",
}
"""Fields of a recipe of which another value may make the very same merge, and why: what was made by
it is then compared, and everything in it identical."""
PARTS = 4
"""Into which the leaves are dealt, one test each."""
RUN = importlib.import_module("hubmerge.verification.verify")


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of everything that can be changed: of lists themselves, too."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from leaves(each, (*path, name))
        return
    yield path
    if isinstance(value, list):
        for number, each in enumerate(value):
            yield from leaves(each, (*path, number))


def others(value: Any) -> list[Any]:
    """Other values of that kind, or of any where there was none."""
    match value:
        case bool():
            return [not value]
        case int():
            return [value + 1]
        case float():
            return [value * 1.05 + 0.01, value * (1 + 1e-4)] if value else [0.25]
        case str():
            return [value + "x"]
        case None:
            return [0.5, 1, "x", True, ["x"], [1.5]]
        case list():
            return [value[:-1], value + value[-1:]] if value else [["x"], [0.5]]
    raise TypeError(type(value))


def is_free(path: tuple[Any, ...]) -> bool:
    name = ".".join("*" if isinstance(step, int) else step for step in path)
    return any(name == each or name.startswith(f"{each}.") for each in FREE)


def is_inner_point(path: tuple[Any, ...]) -> bool:
    """Of curves the second point stands for all, which are compared by the same lines."""
    return any(
        step == "points" and isinstance(number, int) and number != 1
        for step, number in itertools.pairwise(path)
    )


def changed(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    found = inner = json.loads(json.dumps(content))
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return found


def at(content: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        content = content[step]
    return content


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merge on 400 rows by a matcher that looks at them, with its curve."""
    be_quiet()
    place = tmp_path_factory.mktemp("published")
    models = [
        str(small_merges.write_mlp(place / name, seed)) for name, seed in (("a", 1), ("b", 2))
    ]
    rows = small_merges.write_rows(place / "rows", 400)
    recipe = hm.Recipe(models=models, dataset=str(rows), effort="standard", refine_steps=4)
    return hm.run(recipe, out=place / "out").folder


@pytest.fixture
def once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A recipe that was made again is not made a second time: it gives the same bytes."""
    made: dict[str, MergeResult] = {}
    real: Callable[..., MergeResult] = RUN.run

    def run(recipe: Recipe, destination: hm.Destination, workers: Workers) -> MergeResult:
        key = recipe.model_copy(update={"alignment": None}).model_dump_json()
        if key not in made:
            kept = hm.Destination(out=tmp_path / "made" / str(len(made)))
            kept.out.parent.mkdir(exist_ok=True)
            made[key] = real(recipe, kept, workers)
        return made[key]

    monkeypatch.setattr(RUN, "run", run)


def holds(folder: Path) -> str | None:
    """How it ends, unless something does not hold or cannot be read."""
    try:
        found = hm.verify(str(folder))
    except HubmergeError:
        return None
    return None if found.outcome is Outcome.DOES_NOT_HOLD else found.outcome.value


@pytest.mark.slow
@pytest.mark.usefixtures("once")
@pytest.mark.parametrize("part", range(PARTS))
def test_no_leaf_of_a_report_can_be_changed(published: Path, tmp_path: Path, part: int) -> None:
    """Numbers largely and by a hair, texts, booleans, lists, and what is null."""
    content = json.loads((published / "report.json").read_text())
    assert holds(published) == "identical"
    claims = [path for path in leaves(content) if not (is_free(path) or is_inner_point(path))]
    tried, held = 0, []
    for path in claims[part::PARTS]:
        for value in others(at(content, path)):
            try:
                report = Report.model_validate(changed(content, path, value))
            except ValidationError:
                continue  # no report any more, which is refused as such
            tried += 1
            folder = Path(shutil.copytree(published, tmp_path / "changed"))
            try:
                write_report(report, folder)
            except HubmergeError:  # no card can be made of it
                (folder / "report.json").write_text(report.to_json())
            if (ended := holds(folder)) is not None:
                held.append((".".join(map(str, path)), value, ended))
            shutil.rmtree(folder)
    assert held == []
    assert tried > 50


@pytest.mark.slow
@pytest.mark.usefixtures("once")
def test_what_is_free_is_said_to_differ_or_changes_nothing(published: Path, tmp_path: Path) -> None:
    """It makes nothing that is wrong right: a claim beside it still does not hold."""
    content = json.loads((published / "report.json").read_text())
    content["licence"]["reason"] += "x"
    for path in leaves(content):
        if not is_free(path) or path[:2] in (("run", "versions"), ("run", "arithmetic")):
            continue
        folder = Path(shutil.copytree(published, tmp_path / "changed"))
        report = changed(content, path, others(at(content, path))[0])
        try:
            write_report(Report.model_validate(report), folder)
        except ValidationError:
            shutil.rmtree(folder)
            continue
        ended = holds(folder)
        assert ended is None or (path[-1] == "processor" and ended == "not checked"), path
        shutil.rmtree(folder)


RECIPE: dict[str, list[Any]] = {
    "effort": ["quick", "best"],
    "match": ["weights", "activations", "none"],
    "symmetry": ["permutations", "maps", "all"],
    "multi_match": ["star"],
    "learning_steps": [10],
    "alignment": ["/etc/passwd"],
    "fuse": ["average", "slerp"],
    "fuse_options": [{"x": 1}],
    "base": ["org/base"],
    "lambda": [0.4, "auto"],
    "weights": [[0.4, 0.6]],
    "only": [["layers.0"]],
    "keep": [["layers.0"]],
    "repair": ["none", "repair"],
    "refine": ["none"],
    "refine_steps": [3],
    "samples": [40, "all"],
    "calibration_samples": [20],
    "train_samples": [20],
    "path": ["full", "none"],
    "path_points": [0, 3],
    "survey": [["plane"]],
    "eval": [["x"]],
    "align_labels": ["index"],
    "heads": ["join", "concat"],
    "layers": [1],
    "dequantize": [True],
    "trust_remote_code": [True],
    "tokenizer": ["a"],
    "tokens": [{"x": "a"}],
    "chat_template": ["x"],
    "dtype": ["float32", "float16"],
    "max_shard_size": ["1KB"],
    "memory": ["8GB"],
    "device": ["cpu"],
    "seed": [1],
    "shas": [{"model_a": "a" * 40}],
    "arithmetic": [3, 5],
    "trials": [None],
    "stages": [{"first": {}}],
}
"""Field of a recipe -> other values; of `models` and `dataset` they are made below."""


@pytest.mark.slow
@pytest.mark.usefixtures("once")
def test_no_field_of_a_recipe_can_be_changed(published: Path, tmp_path: Path) -> None:
    """But to a recipe of the very same merge, all of which came out identical then."""
    said = yaml.safe_load((published / "hubmerge.yaml").read_text())
    data = said["dataset"]
    wanted: dict[str, list[Any]] = {
        **RECIPE,
        "models": [said["models"][::-1], said["models"][:1] * 2, said["models"] * 2],
        "dataset": [
            *({**data, name: "x"} for name in DataRecipe.model_fields if name not in ("id",)),
            {**data, "split": "train"},
            {**data, "label_column": "label"},
            None,
        ],
    }
    known = {field.alias or name for name, field in Recipe.model_fields.items()}
    assert known == wanted.keys()
    held = {}
    for name, values in wanted.items():
        for value in values:
            if said.get(name) == value:
                continue
            folder = Path(shutil.copytree(published, tmp_path / "changed"))
            (folder / "hubmerge.yaml").write_text(yaml.safe_dump({**said, name: value}))
            if (ended := holds(folder)) is not None:
                held[name, str(value)] = ended
            shutil.rmtree(folder)
    assert {name for name, _ in held} <= SAME.keys(), held
    assert {*held.values()} <= {"identical"}, held
