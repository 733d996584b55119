"""Two models of every reviewed family, from folders and a data set of its task to a card."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value

from hubmerge.specs.family import load_families
from tests.helpers import tagged
from tests.helpers.measured import merged, run_card
from tests.helpers.small_models import processor
from tests.helpers.tiny import Tiny, tiny_models
from tests.tasks import test_sounds as sounds
from tests.tasks import test_zero_shot as towers

pytestmark = pytest.mark.slow

ROWS = 60
NAMES = ["cat", "dog", "eel"]
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {n: k for k, n in enumerate(NAMES)}}
WORDS = {"vocab_size": len(tagged.PIECES), "max_position_embeddings": 40, "n_positions": 40}

FIRST = {
    name: next(iter(tiny_models(family).values()))
    for name, family in load_families().families.items()
    if name != "mlp_head"  # the demo's, which most other tests merge
}

BUILT = {
    "audio_spectrogram_transformer": sounds.ast,
    "clip": towers.clip,
    "siglip": towers.siglip,
    "wav2vec2": sounds.listener,
    "whisper": sounds.whisper,
}
"""Families whose processors ask for models of a shape of their own."""


def fields(tiny: Tiny) -> dict[str, Any]:
    """Of its configuration, so that rows can be put to it."""
    asked: dict[str, Any] = {}
    if "Classification" in str(tiny.model.model_class):
        asked |= LABELS
    asked |= {name: value for name, value in WORDS.items() if name in tiny.model.config}
    return asked


def side(tiny: Tiny) -> int:
    """Of a picture that it takes."""
    return int(tiny.model.config.get("image_size", 32))


def texts(count: int = ROWS) -> list[str]:
    return [" ".join(tagged.sentence(n)[0]) for n in range(count)]


def lines(place: Path, **columns: list[str]) -> Path:
    """A file of rows."""
    rows = zip(*columns.values(), strict=True)
    place.write_text(
        "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)
    )
    return place


def pictures(place: Path, side: int) -> Path:
    """Pictures of three classes."""
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 256, (ROWS, side, side, 3), dtype=np.uint8)
    types = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    rows = {"image": list(drawn), "label": [n % 3 for n in range(ROWS)]}
    Dataset.from_dict(rows, features=types).save_to_disk(str(place))
    return place


def data(name: str, place: Path) -> Path:
    """Rows of the task that its first model is for."""
    kind = str(FIRST[name].model.model_class)
    if name in ("clip", "siglip"):
        return pictures(place, 8)
    if name == "audio_spectrogram_transformer":
        heard = (ClassLabel(names=sounds.NAMES), [n % 2 for n in range(ROWS)])
        return sounds.stored(place, [sounds.wav(sounds.tone(n)) for n in range(ROWS)], label=heard)
    if name in BUILT:
        spoken = [np.tile(sounds.tone(n), 2) for n in range(ROWS)]
        said = (Value("string"), [text.split()[1] for text in texts()])
        return sounds.stored(place, [sounds.wav(each, 16_000) for each in spoken], text=said)
    if "Image" in kind:
        return pictures(place, side(FIRST[name]))
    place = place.with_suffix(".jsonl")
    if "Sequence" in kind:
        return lines(place, text=texts(), label=[NAMES[n % 3] for n in range(ROWS)])
    if "Conditional" in kind or "MT" in kind:
        return lines(place, document=texts(), summary=texts()[::-1])
    return lines(place, text=texts())


def parent(name: str, folder: Path, seed: int) -> None:
    """A model of the family, with what prepares its rows."""
    torch.manual_seed(seed)
    made = BUILT.get(name)
    model = FIRST[name].build(**fields(FIRST[name])) if made is None else made(seed)
    if made is None and "Image" in str(FIRST[name].model.model_class):
        model.save_pretrained(folder)
        size = side(FIRST[name])
        processor(size={"height": size, "width": size}).save_pretrained(folder)
        return
    tagged.saved(model.eval(), folder)
    if made in sounds.EXTRACTORS:
        sounds.EXTRACTORS[made]().save_pretrained(folder)
    elif made is not None:
        towers.processor().save_pretrained(folder)


@pytest.mark.parametrize("name", FIRST)
def test_it_is_matched_measured_and_its_card_runs(name: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        parent(name, tmp_path / f"parent{seed}", seed)
    report = merged(tmp_path, data(name, tmp_path / "rows"), "--match", "weights")
    tried = {each.match for each in report.method.tried}  # matching may have lost
    assert report.method.family == name or "weights" in tried
    for each in (report.contenders.parent_a, report.contenders.parent_b, report.contenders.merge):
        assert each.loss is not None
        assert isfinite(each.loss)
    assert "hubmerge verify" in (tmp_path / "out" / "README.md").read_text()
    run_card(report, tmp_path / "out")
