"""Parents are reproducible, differ by seed alone, and are good at what they do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from datasets import DatasetDict
from huggingface_hub import ModelCard
from transformers import AutoImageProcessor, AutoModelForImageClassification

from hubmerge.demo.digits import NAMES, digits
from hubmerge.demo.train import PARENT_CONFIGS, SEEDS, ParentConfig, train, write_parent
from hubmerge.utils.progress import be_quiet

MLP = next(course for course in PARENT_CONFIGS if course.name == "mlp")


@pytest.fixture(scope="module")
def splits() -> DatasetDict:
    be_quiet()
    return digits(test=500, validation=0)


@pytest.mark.parametrize("course", PARENT_CONFIGS, ids=lambda course: course.name)
def test_a_seed_decides_every_bit_and_nothing_else_does(
    course: ParentConfig, splits: DatasetDict
) -> None:
    rows = splits["train"].select(range(128))
    before = torch.get_rng_state()
    first = train(course, 1, rows, epochs=1).state_dict()
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers moved"
    torch.rand(1)
    again = train(course, 1, rows, epochs=1).state_dict()
    other = train(course, 2, rows, epochs=1).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert {name: value.shape for name, value in first.items()} == {
        name: value.shape for name, value in other.items()
    }
    weights = [name for name, value in first.items() if value.ndim > 1]
    assert not any(torch.equal(first[name], other[name]) for name in weights)


def test_a_parent_is_written_whole_and_reads_as_any_model(
    tmp_path: Path, splits: DatasetDict
) -> None:
    rubbish = tmp_path / ".digits-mlp-a.unfinished"
    rubbish.mkdir()
    (rubbish / "left-over").write_text("from a run that was stopped")
    folder = write_parent(
        tmp_path / "digits-mlp-a", MLP, 1, splits, repo="demo/digits-mlp-a", dataset="demo/digits"
    )
    assert {path.name for path in folder.iterdir()} == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
    }
    assert not rubbish.exists()
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "mit"
    assert card.data.datasets == ["demo/digits"]
    assert card.data.pipeline_tag == "image-classification"
    assert "import hubmerge" in card.text
    accuracy = accuracy_as_published(folder, splits)
    assert accuracy >= 0.95
    assert f"{accuracy:.3f}" in card.text


@pytest.mark.slow
@pytest.mark.parametrize("letter", SEEDS)
@pytest.mark.parametrize("course", PARENT_CONFIGS, ids=lambda course: course.name)
def test_every_parent_is_good(
    course: ParentConfig, letter: str, tmp_path: Path, splits: DatasetDict
) -> None:
    where = {"repo": "demo/x", "dataset": "demo/digits"}
    folder = write_parent(tmp_path / "x", course, SEEDS[letter], splits, **where)
    assert accuracy_as_published(folder, splits) >= 0.95


def accuracy_as_published(folder: Path, splits: DatasetDict) -> float:
    """On the test rows, through what a stranger would load."""
    model = AutoModelForImageClassification.from_pretrained(folder).eval()
    processor = AutoImageProcessor.from_pretrained(folder)
    assert model.config.id2label == dict(enumerate(NAMES))
    with torch.inference_mode():
        inputs = processor(list(splits["test"]["image"]), return_tensors="pt")
        guesses = model(**inputs).logits.argmax(1).tolist()
    right = sum(
        guess == label for guess, label in zip(guesses, splits["test"]["label"], strict=True)
    )
    return right / len(guesses)
