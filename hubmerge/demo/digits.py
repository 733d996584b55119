"""scikit-learn's handwritten digits as a Hub data set: 1,797 images of 8 x 8 pixels.

The images ship inside scikit-learn (its `datasets.load_digits`; UCI "Optical Recognition of
Handwritten Digits"), so nothing is downloaded. They are stored as RGB with three equal channels,
because that is what transformers' image pipeline turns every image into.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from datasets import ClassLabel, Dataset, DatasetDict, Features, Image
from PIL import Image as Pillow
from sklearn.datasets import load_digits

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
TEST_ROWS, VALIDATION_ROWS = 1_100, 100
"""Rows of these splits; the rest is for training. 1,100 are enough for most verdicts."""
SPLIT_SEED = 0
INK = 16
"""The largest pixel value in scikit-learn's copy."""

CARD = """\
---
license: cc-by-4.0
pretty_name: Handwritten digits, 8 x 8
task_categories: [image-classification]
size_categories: [1K<n<10K]
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*.parquet
  - split: validation
    path: data/validation-*.parquet
  - split: test
    path: data/test-*.parquet
---

# Handwritten digits, 8 x 8

{train:,} training, {validation:,} validation and {test:,} test images of handwritten digits. They
are scikit-learn's `load_digits`, which is the test part of
[Optical Recognition of Handwritten Digits](https://doi.org/10.24432/C50P49)
(E. Alpaydin, C. Kaynak, UCI Machine Learning Repository, 1998, CC BY 4.0), drawn into the three
splits at random. Grey values 0 to 16 are stretched to 0 to 255 and stored as RGB.
"""


def digits(test: int = TEST_ROWS, validation: int = VALIDATION_ROWS) -> DatasetDict:
    """The splits, columns `image` (8 x 8 RGB) and `label` (named zero to nine).

    test, validation: rows of these; without any for validation there is no such split.
    """
    source = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(source.target))
    parts = {
        "train": order[test + validation :],
        "validation": order[test : test + validation],
        "test": order[:test],
    }
    return DatasetDict(
        {n: _rows(source.images, source.target, rows) for n, rows in parts.items() if len(rows)}
    )


def write_digits(folder: Path) -> Path:
    """Write the data set to `folder` as the Hub keeps it: a card and one parquet file a split.

    `datasets.load_dataset(folder)` reads it, and so does an uploaded copy of it.
    """
    splits = digits()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name, rows in splits.items():
        rows.to_parquet(folder / "data" / f"{name}-00000-of-00001.parquet")
    card = CARD.format(**{name: len(rows) for name, rows in splits.items()})
    (folder / "README.md").write_text(card, encoding="utf-8")
    return folder


def _rows(images: np.ndarray, labels: np.ndarray, chosen: np.ndarray) -> Dataset:
    grey = np.rint(images[chosen] * (255 / INK)).astype(np.uint8)
    features = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    return Dataset.from_dict(
        {
            "image": [Pillow.fromarray(image).convert("RGB") for image in grey],
            "label": labels[chosen].tolist(),
        },
        features=features,
    )
