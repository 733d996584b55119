"""Small models that tell other digits apart, really trained."""

from __future__ import annotations

from pathlib import Path

from datasets import ClassLabel, DatasetDict
from transformers import PreTrainedModel

from hubmerge.demo.digits import NAMES
from hubmerge.demo.train import train
from tests.helpers import zoo

LOW, HIGH, MIDDLE = NAMES[:5], NAMES[5:], NAMES[7:2:-1]
"""Disjoint halves, and labels of both in another order."""


def of_classes(names: list[str]) -> DatasetDict:
    """The rows of these classes, numbered in this order."""
    places = {NAMES.index(name): number for number, name in enumerate(names)}
    kept = zoo.rows().filter(lambda row: row["label"] in places)
    labels = {split: [places[label] for label in part["label"]] for split, part in kept.items()}
    return DatasetDict(
        {
            split: part.remove_columns("label")
            .add_column("label", labels[split])
            .cast_column("label", ClassLabel(names=names))
            for split, part in kept.items()
        }
    )


def taught(names: list[str], seed: int, family: str = "mlp", epochs: int = 24) -> PreTrainedModel:
    """A model of these classes, trained on their images alone."""
    return train(zoo.course(family), seed, of_classes(names)["train"], epochs=epochs)


def write(place: Path, family: str = "mlp", epochs: int = 24) -> dict[str, Path]:
    """Folders: three models; all images, "data", and those that low or middle know, "eight"."""
    parts = {"low": LOW, "high": HIGH, "middle": MIDDLE}
    models = {
        name: zoo.write_model(place / name, taught(names, seed, family, epochs), family)
        for seed, (name, names) in enumerate(parts.items(), start=1)
    }
    return models | {
        "data": zoo.write_data(place / "data", zoo.rows()),
        "eight": zoo.write_data(place / "eight", of_classes(NAMES[:8])),
    }
