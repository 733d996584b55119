"""The digits data set holds scikit-learn's images, each once, and reads as any Hub data set."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from datasets import DatasetDict, load_dataset
from sklearn.datasets import load_digits

from hubmerge.demo.digits import INK, NAMES, TEST_ROWS, VALIDATION_ROWS, digits, write_digits


def contents(splits: DatasetDict) -> Counter[tuple[bytes, int]]:
    rows = [row for split in splits.values() for row in split]
    return Counter((np.asarray(row["image"]).tobytes(), row["label"]) for row in rows)


def test_a_written_folder_loads_as_a_data_set(tmp_path: Path) -> None:
    folder = write_digits(tmp_path / "digits")
    loaded = load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
    assert {name: len(rows) for name, rows in loaded.items()} == {
        "train": 1797 - TEST_ROWS - VALIDATION_ROWS,
        "validation": VALIDATION_ROWS,
        "test": TEST_ROWS,
    }
    for rows in loaded.values():
        assert rows.features["label"].names == NAMES
        assert set(rows["label"]) == set(range(10))
        assert {(image.mode, image.size) for image in rows["image"]} == {("RGB", (8, 8))}
    assert contents(loaded) == contents(digits())


def test_every_image_of_the_source_is_there_once_with_its_label() -> None:
    source = load_digits()
    grey = np.rint(source.images / INK * 255).astype(np.uint8)
    rgb = np.repeat(grey[..., None], 3, axis=-1)
    expected = Counter(zip((image.tobytes() for image in rgb), source.target, strict=True))
    assert contents(digits()) == expected


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_digits(tmp_path / name) for name in ("first", "second"))
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert len(files) == 4
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes(), file
