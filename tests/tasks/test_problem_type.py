"""Outputs are measured as what they mean: one class, any number of labels, or numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, List, Value
from torch.nn import functional as F
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.reading import ReadFor
from hubmerge.data.rows import RowSet
from hubmerge.errors import LabelError, RecipeError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.plan import plan
from hubmerge.recipe import make_recipe
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import find_task, measure_of, why_not_one_of_n
from hubmerge.utils.workers import Workers
from tests.helpers import texts
from tests.helpers.small_models import save, tiny_vit
from tests.tasks.test_text_classification import bert, said, write

ONE = {"id2label": {0: "age"}, "label2id": {"age": 0}}
SETS = {"problem_type": "multi_label_classification"}
OTHERS: list[dict[str, Any]] = [SETS, {"problem_type": "regression"}]
FUR = {"id2label": {0: "cat", 1: "dog", 2: "fur"}, "label2id": {"cat": 0, "dog": 1, "fur": 2}}
VIT = {"architectures": ["ViTForImageClassification"]}
ROWS = 60


@pytest.mark.parametrize("kind", [None, "single_label_classification"])
def test_classes_that_exclude_each_other(kind: str | None) -> None:
    config = tiny_vit(problem_type=kind, **VIT).config
    assert why_not_one_of_n(config) is None
    assert measure_of(config).name == "classes"


@pytest.mark.parametrize(
    ("fields", "name"), [(SETS, "label sets"), (OTHERS[1], "numbers"), (ONE, "numbers")]
)
def test_what_else_they_may_mean(fields: dict[str, Any], name: str) -> None:
    assert measure_of(tiny_vit(**fields, **VIT).config).name == name


def test_a_model_without_classes() -> None:
    assert why_not_one_of_n(texts.gpt2().config) is None


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("fields", OTHERS, ids=str)
def test_models_are_not_measured_together_where_one_says_so(
    fields: dict[str, Any], which: int, tmp_path: Path
) -> None:
    pair = [
        str(save(tmp_path / f"model{n}", tiny_vit(n, **(fields if n == which else {}))))
        for n in range(2)
    ]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.csv").write_text("label\ncat\n")
    measured = make_recipe(models=pair, match="none", dataset=str(tmp_path / "data"))
    with pytest.raises(RecipeError, match=r"cannot be measured together"):
        plan(measured, Destination())
    plain = plan(make_recipe(models=pair, match="none"), Destination())
    assert any("problem_type" in remark for remark in plain.remarks)
    with pytest.raises(RecipeError, match="heads"):
        plan(make_recipe(models=pair, match="none", heads="concat"), Destination())


@pytest.mark.parametrize(
    "asked",
    [
        {"match": "learned"},
        {"match": "none", "fuse": "fisher"},
        {"match": "none", "refine": "distill"},
        {"survey": ("path",)},
    ],
)
def test_methods_that_read_classes_are_refused(asked: dict[str, Any], tmp_path: Path) -> None:
    pair = [str(save(tmp_path / f"model{n}", tiny_vit(n, **SETS))) for n in range(2)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.csv").write_text("label\ncat\n")
    recipe = make_recipe(models=pair, dataset=str(tmp_path / "data"), **asked)
    with pytest.raises(RecipeError, match=r"reads outputs as a distribution(.|\n)*label sets"):
        plan(recipe, Destination())


def read(place: Path, model: Any) -> Any:
    """All rows as the model's task reads them."""
    task = find_task("image-classification")
    measure = task.measure(model.config)
    data = open_data(
        place, ref="me/d", columns=DataColumns(inputs=task.inputs, answers=measure.answers)
    )
    wanted = ReadFor(
        model=model,
        statistics=measure.statistics(model.config),
        answers=measure.answers,
        processor=processor,
        labels=model.config.id2label,
    )
    found = task.read(data, wanted)
    rows = data.splits[data.split]
    return found, found.measured(RowSet(data.split, tuple(range(len(rows))), len(rows)))


def processor(images: list[Any], return_tensors: str) -> dict[str, torch.Tensor]:
    """Pixels between 0 and 1."""
    arrays = [np.asarray(image.convert("RGB"), np.float32) / 255 for image in images]
    return {"pixel_values": torch.tensor(np.stack(arrays)).permute(0, 3, 1, 2)}


def pictures(size: int) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    return list(generator.integers(0, 256, (6, size, size, 3), dtype=np.uint8))


LISTS = [[0], [0, 2], [1], [], [1, 2], [2]]
FLAGS = [[float(n in row) for n in range(3)] for row in LISTS]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[("cat", "dog", "fur")[n] for n in row] for row in LISTS], List(Value("string"))),
        (
            [[(n + 1) % 3 for n in row] for row in LISTS],
            List(ClassLabel(names=["fur", "cat", "dog"])),
        ),
        (FLAGS, List(Value("float32"))),
        ([[int(n) for n in row] for row in FLAGS], List(Value("int64"))),
        ([[bool(n) for n in row] for row in FLAGS], List(Value("bool"))),
    ],
    ids=["names", "classes", "floats", "zeros and ones", "truths"],
)
def test_sets_of_labels_are_read_however_they_are_written(values, kind, tmp_path: Path) -> None:
    model = tiny_vit(**SETS, **FUR)
    side = model.config.image_size
    types = Features({"image": Image(), "labels": kind})
    rows = {"image": pictures(side), "labels": values}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    _, batches = read(tmp_path / "d", model)
    assert batches.labels.tolist() == FLAGS
    measured = outputs(model, batches, Workers(threads=1))
    with torch.no_grad():
        logits = model(**batches[0].inputs).logits
    expected = F.binary_cross_entropy_with_logits(logits, torch.tensor(FLAGS))
    assert float(measured.losses().mean()) == pytest.approx(float(expected), rel=1e-5)


def test_labels_that_the_model_does_not_know_are_refused(tmp_path: Path) -> None:
    model = tiny_vit(**SETS, **FUR)
    types = Features({"image": Image(), "labels": List(Value("string"))})
    rows = {"image": pictures(model.config.image_size), "labels": [["cat", "fin"]] * 6}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(LabelError, match="fin"):
        read(tmp_path / "d", model)


@pytest.mark.parametrize(
    "lists",
    [
        [*([int(n) for n in row] for row in FLAGS[:5]), [0, 1]],
        [[int(n) for n in row] + [0] for row in FLAGS],
        [*FLAGS[:5], [0.0, 1.0]],
        [*FLAGS[:5], [0.0, 0.5, 1.0]],
    ],
    ids=["one too few", "too many", "too few fractions", "a half"],
)
def test_zeros_and_ones_that_do_not_fit_are_no_numbers_of_labels(lists, tmp_path: Path) -> None:
    model = tiny_vit(**SETS, **FUR)
    held = "float32" if isinstance(lists[0][0], float) else "int64"
    types = Features({"image": Image(), "labels": List(Value(held))})
    rows = {"image": pictures(model.config.image_size), "labels": lists}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(LabelError, match=r"a 0 or 1 for each of 3 labels(.|\n)*in row [05]"):
        read(tmp_path / "d", model)


def test_numbers_of_labels_may_all_be_below_two(tmp_path: Path) -> None:
    model = tiny_vit(**SETS, **FUR)
    types = Features({"image": Image(), "labels": List(Value("int64"))})
    lists = [[0], [1], [], [0, 1], [1, 0], [1]]
    rows = {"image": pictures(model.config.image_size), "labels": lists}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    _, batches = read(tmp_path / "d", model)
    assert batches.labels.tolist() == [[int(n in row) for n in range(3)] for row in lists]


@pytest.mark.parametrize("lists", [False, True])
def test_one_number_everywhere_is_refused(lists: bool, tmp_path: Path) -> None:
    model = tiny_vit(**ONE)
    kind = List(Value("float64")) if lists else Value("float64")
    rows = {
        "image": pictures(model.config.image_size),
        "score": [[2.5] if lists else 2.5 for _ in range(6)],
    }
    types = Features({"image": Image(), "score": kind})
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(LabelError, match=r"the same label, 2\.5"):
        read(tmp_path / "d", model)


def test_numbers_of_images(tmp_path: Path) -> None:
    model = tiny_vit(**ONE)
    types = Features({"image": Image(), "score": Value("float64")})
    rows = {"image": pictures(model.config.image_size), "score": [1.0, -1.0, 2.5, 0.0, 4.0, 3.0]}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    _, batches = read(tmp_path / "d", model)
    wanted = torch.tensor(rows["score"], dtype=torch.float64).unsqueeze(1)
    assert batches.labels.equal(wanted)
    with torch.no_grad():
        logits = model(**batches[0].inputs).logits.double()
    loss = float(outputs(model, batches, Workers(threads=1)).losses().mean())
    expected = (logits - wanted).square().mean() / wanted.var(correction=0)
    assert loss == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("kind", [pytest.param("sets", marks=pytest.mark.slow), "numbers"])
def test_merges_are_reported_in_their_own_words(kind: str, tmp_path: Path) -> None:
    fields = {**SETS, **FUR} if kind == "sets" else {"num_labels": 1, "id2label": {0: "LABEL_0"}}
    fields |= {} if kind == "sets" else {"label2id": {"LABEL_0": 0}}
    for seed in (0, 1):
        texts.saved(bert(seed, **fields), tmp_path / f"parent{seed}")
    names = list(FUR["label2id"])
    rows = [
        {"text": said(n), "labels": names[: n % 4]}
        if kind == "sets"
        else {"text": said(n), "score": (n % 7) / 2}
        for n in range(ROWS * 3)
    ]
    write(tmp_path / "data", rows)
    given = [
        "--match",
        "none",
        "--effort",
        "quick",
        "--path-points",
        "0",
        "--samples",
        str(ROWS),
        "-q",
        "--dataset",
    ]
    models = [tmp_path / "parent0", tmp_path / "parent1"]
    line = ["merge", *models, *given, tmp_path / "data", "-o", tmp_path / "out"]
    done = CliRunner().invoke(app, [str(each) for each in line])
    assert done.exit_code == 0, (done.output, done.exception)
    report = Report.read(tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text()
    merge, compared = report.contenders.merge, report.comparisons[0]
    assert report.n == ROWS
    assert compared.calibrated_loss_low is not None
    if kind == "sets":
        assert report.merged.measure == "label sets"
        assert report.merged.labels == names
        assert 0 <= merge.scores["micro-F1"].low <= merge.scores["micro-F1"].value
        assert "| exact match | micro-F1 | loss | calibrated loss | calibration error |" in card
        assert merge.temperature is not None
    else:
        assert (report.merged.measure, report.merged.labels) == ("numbers", [])
        assert "|  | Pearson correlation | Spearman correlation | squared error |\n" in card
        assert "calibrated" not in card
        assert merge.temperature is merge.calibration_error is None
        assert report.barrier.detail.naive.error_barrier is None
    saved = json.loads((tmp_path / "out" / "report.json").read_text())
    assert Report.model_validate_json(json.dumps(saved)) == report
