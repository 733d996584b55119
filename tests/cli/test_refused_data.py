"""The table of bad input: data sets that are not there, or say something else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from hubmerge.errors import AccessError, DataError, HubUnavailableError, LabelError, NotFoundError
from tests.helpers import zoo
from tests.helpers.command_line import CommandLine
from tests.helpers.refusals import Arguments, Kit, Row, check, table

MODELS = ["me/mlp-a", "me/mlp-b"]


def given(*options: Any) -> Arguments:
    """The parents, the good data set and these options."""
    return lambda kit: [*MODELS, "--dataset", "me/digits", *options]


def other(write: Callable[[Kit, Path], object], *options: Any) -> Arguments:
    """The parents and a data set on the Hub that `write` makes."""

    def make(kit: Kit) -> list[Any]:
        folder = kit.tmp / "data"
        write(kit, folder)
        return [*MODELS, "--dataset", kit.pushed(folder, "dataset"), *options]

    return make


def gated(kit: Kit) -> list[Any]:
    kit.token = kit.hub.add_user("guest")
    kit.push = "guest/merged"
    repo = kit.pushed(zoo.write_data(kit.tmp / "data", zoo.rows()), "dataset")
    kit.hub.api().update_repo_settings(repo, repo_type="dataset", gated="manual")
    return [*MODELS, "--dataset", repo]


def texts(kit: Kit, folder: Path) -> None:
    types = Features({"text": Value("string"), "label": ClassLabel(names=zoo.NAMES)})
    rows = Dataset.from_dict({"text": ["a"] * 20, "label": [1] * 20}, features=types)
    zoo.write_data(folder, DatasetDict(test=rows))


def parent_letters(kit: Kit, folder: Path) -> None:
    """Digits under other names."""
    names = ClassLabel(names=[f"letter {index}" for index in range(10)])
    rows = zoo.rows()["test"].cast_column("label", names)
    zoo.write_data(folder, DatasetDict(test=rows))


def long_rows(kit: Kit, folder: Path) -> None:
    types = Features({"embedding": List(Value("float32")), "label": ClassLabel(names=zoo.NAMES)})
    values = {"embedding": [[0.5] * 100] * 30, "label": list(range(10)) * 3}
    zoo.write_data(folder, DatasetDict(test=Dataset.from_dict(values, features=types)))


def unlabelled(kit: Kit, folder: Path) -> None:
    rows = zoo.rows()["test"].remove_columns("label")
    zoo.write_data(folder, DatasetDict(test=rows))


def no_data(kit: Kit, folder: Path) -> None:
    folder.mkdir()
    (folder / "README.md").write_text("---\nlicense: mit\n---\nnothing but words")


def broken(kit: Kit, folder: Path) -> None:
    zoo.write_data(folder, zoo.rows())
    whole = (folder / "test.parquet").read_bytes()
    (folder / "test.parquet").write_bytes(whole[: len(whole) // 2])


@table(
    Row(
        "missing",
        NotFoundError,
        ("data set me/nothing", "check the spelling"),
        lambda kit: [*MODELS, "--dataset", "me/nothing"],
    ),
    Row(
        "a model instead",
        NotFoundError,
        ("me/mlp-a is a model, not a data set",),
        lambda kit: [*MODELS, "--dataset", "me/mlp-a"],
    ),
    Row("gated", AccessError, ("gated", "datasets/"), gated),
    Row(
        "unknown configuration",
        DataError,
        ('"german"', '"default"'),
        given("--dataset-config", "german"),
    ),
    Row("unknown split", DataError, ('"exam"', '"test", "train"'), given("--split", "exam")),
    Row(
        "unknown calibration split",
        DataError,
        ('"exam"', '"test", "train"'),
        given("--calibration-split", "exam"),
    ),
    Row(
        "too many rows",
        DataError,
        ("301", "300"),
        given("--split", "test", "--samples", 301),
    ),
    Row("far too many rows", DataError, ("5000", "test: 300"), given("--samples", 5000)),
    Row(
        "too many calibration rows",
        DataError,
        ("801", "800"),
        given("--calibration-samples", 801),
        "late",
    ),
    Row(
        "unknown label column",
        DataError,
        ("'digit'", "image: Image", "label: ClassLabel of 10"),
        given("--label-column", "digit"),
        "late",
    ),
    Row(
        "unknown image column",
        DataError,
        ("'picture'", "image: Image"),
        given("--image-column", "picture"),
        "late",
    ),
    Row(
        "label column of images",
        DataError,
        ('"image"', "class labels"),
        given("--label-column", "image"),
        "late",
    ),
    Row(
        "feature column of images",
        DataError,
        ('"image"', "lists of floats"),
        given("--feature-column", "image"),
        "late",
    ),
    Row("texts", DataError, ("neither an image column", "text: string"), other(texts), "late"),
    Row(
        "no labels",
        DataError,
        ("no column that is clearly the label", "image: Image"),
        other(unlabelled),
        "late",
    ),
    Row("other labels", LabelError, ('"letter 0"', '"zero"'), other(parent_letters), "late"),
    Row("wider rows", DataError, ("100 numbers", "takes 192"), other(long_rows), "late"),
    Row("no data at all", DataError, ("cannot be opened",), other(no_data), "late"),
    Row("broken file", DataError, ("cannot be opened",), other(broken), "late"),
)
def test_data_that_does_not_fit(row: Row, kit: Kit, hubmerge: CommandLine) -> None:
    check(row, kit, hubmerge)


def test_a_hub_that_is_not_there(hubmerge: CommandLine, kit: Kit) -> None:
    for command in ("plan", "merge"):
        nobody = {"HF_ENDPOINT": "http://127.0.0.1:9"}
        done = hubmerge(command, *MODELS, "-o", kit.out, env=nobody, cwd=kit.tmp)
        done.refused(HubUnavailableError, "me/mlp-a", "http://127.0.0.1:9")
    assert not kit.out.exists()
