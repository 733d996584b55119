"""Images against texts of classes: the logits are the model's own, whatever the texts' lengths."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from datasets import ClassLabel, Dataset, Features, Image, Value
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    SiglipConfig,
    SiglipModel,
    SiglipTextConfig,
    SiglipVisionConfig,
)

from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.utils.workers import Workers
from tests.helpers import tagged
from tests.helpers.measured import every_row, merged, reading, run_card

SMALL = {
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}
WORDS = {"vocab_size": len(tagged.PIECES), "max_position_embeddings": 20, "pad_token_id": 0}
SEES = {"image_size": 8, "patch_size": 4}
NAMES = ["the_cat", "mouse", "a quick fox"]
ROWS = 90


def clip(seed=0):
    torch.manual_seed(seed)
    text = CLIPTextConfig(**SMALL, **WORDS, eos_token_id=3, bos_token_id=2)
    vision = CLIPVisionConfig(**SMALL, **SEES)
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12
    )
    return CLIPModel(config).eval()


def siglip(seed=0):
    torch.manual_seed(seed)
    text = SiglipTextConfig(**SMALL, **WORDS)
    vision = SiglipVisionConfig(**SMALL, **SEES)
    config = SiglipConfig(text_config=text.to_dict(), vision_config=vision.to_dict())
    return SiglipModel(config).eval()


def processor():
    return CLIPImageProcessor(size={"shortest_edge": 8}, crop_size={"height": 8, "width": 8})


def stored(place, count):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    types = Features({"image": Image(), "label": ClassLabel(names=NAMES)})
    rows = {"image": list(images), "label": [n % 3 for n in range(count)]}
    Dataset.from_dict(rows, features=types).save_to_disk(str(place))
    return place


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return stored(tmp_path_factory.mktemp("pictures") / "data", ROWS)


def given(**more):
    return {"tokenizer": tagged.tokenizer(), "processor": processor(), **more}


@pytest.mark.parametrize("build", [clip, siglip])
def test_logits_are_those_of_the_model_itself(pictures, build):
    model, cut = build(), tagged.tokenizer()
    data, found = reading(pictures, model, **given(prompt="see {} ."))
    batches = every_row(data, found)
    measured = outputs(model, batches, Workers(threads=1))
    texts = [f"see {name.replace('_', ' ')} ." for name in NAMES]
    options = {"padding": "max_length", "max_length": 20} if build is siglip else {"padding": True}
    encoded = cut(texts, return_tensors="pt", **options)
    if build is siglip:
        del encoded["attention_mask"]
    pixels = batches[0].inputs["pixel_values"]
    with torch.no_grad():
        logits = model(
            pixel_values=pixels,
            input_ids=encoded["input_ids"],
            attention_mask=encoded.get("attention_mask"),
        ).logits_per_image
    assert np.allclose(measured.logits, logits.numpy(), atol=1e-4)
    assert measured.labels.tolist() == [n % 3 for n in range(ROWS)]


def test_what_is_looked_at_are_images_beside_a_text_each(pictures):
    model = clip()
    data, found = reading(pictures, model, **given())
    batches = found.batches(RowSet(data.split, tuple(range(12)), ROWS), False)
    assert sum(batches.sizes) == 12
    for k in range(len(batches)):
        inputs = batches[k].inputs
        assert inputs["attention_mask"].all()
        assert len(inputs["input_ids"]) == len(inputs["pixel_values"])
        model(**inputs)
    assert 'the text for a class is "This is a photo of {}."' in found.notes[0]


def test_classes_without_names_and_odd_texts_are_refused(pictures, tmp_path):
    with pytest.raises(DataError, match="is no text for every class"):
        reading(pictures, clip(), **given(prompt="a photo"))
    types = Features({"image": Image(), "label": Value("int64")})
    rows = {"image": [np.zeros((8, 8, 3), np.uint8)] * 20, "label": [0, 1] * 10}
    Dataset.from_dict(rows, features=types).save_to_disk(str(tmp_path / "d"))
    with pytest.raises(DataError, match="have no names"):
        reading(tmp_path / "d", clip(), **given())


@pytest.mark.slow
def test_a_merge_is_measured_and_its_card_runs(pictures, tmp_path):
    for seed in (0, 1):
        tagged.saved(clip(seed), tmp_path / f"parent{seed}")
        processor().save_pretrained(tmp_path / f"parent{seed}")
    report = merged(tmp_path, pictures, "--prompt", "see {} .")
    assert report.merged.task == "zero-shot-image-classification"
    assert report.contenders.ensemble.loss is not None
    run_card(report, tmp_path / "out")
