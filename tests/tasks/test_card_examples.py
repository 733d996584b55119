"""The code on the card of every task runs as it stands, on a model of that task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import (
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    pipeline,
)

from hubmerge.hub.load import load
from hubmerge.hub.processors import auto_processor
from hubmerge.tasks import find_task, hub_names, tasks
from tests.helpers import tagged, texts, zoo
from tests.helpers.example_report import example
from tests.helpers.measured import run_card
from tests.helpers.small_models import save, tiny_vit
from tests.tasks import test_sounds as sounds
from tests.tasks import test_text_to_text as to_text
from tests.tasks import test_zero_shot as towers

Save = Callable[[Path], Any]


def bert(kind: type) -> Save:
    return lambda folder: tagged.saved(tagged.tiny(kind), folder)


def zero_shot(folder: Path) -> None:
    tagged.saved(towers.clip(), folder)
    towers.processor().save_pretrained(folder)


def sound(build: Callable[[], Any], *, spoken: bool = False) -> Save:
    def write(folder: Path) -> None:
        (tagged.saved if spoken else lambda model, place: model.save_pretrained(place))(
            build(), folder
        )
        sounds.EXTRACTORS[build]().save_pretrained(folder)

    return write


MODELS: dict[str, Save] = {
    "audio-classification": sound(sounds.ast),
    "automatic-speech-recognition": sound(sounds.whisper, spoken=True),
    "feature-classification": lambda folder: zoo.write_model(
        folder, zoo.mlp(zoo.labelled()), "mlp"
    ),
    "feature-extraction": bert(BertModel),
    "fill-mask": bert(BertForMaskedLM),
    "image-classification": lambda folder: save(folder, tiny_vit()),
    "question-answering": bert(BertForQuestionAnswering),
    "speech-recognition-ctc": sound(sounds.listener, spoken=True),
    "text-classification": bert(BertForSequenceClassification),
    "text-generation": lambda folder: texts.saved(texts.gpt2(), folder),
    "text2text-generation": lambda folder: tagged.saved(to_text.t5(), folder),
    "token-classification": bert(BertForTokenClassification),
    "zero-shot-image-classification": zero_shot,
}


def test_every_task_has_a_model_here() -> None:
    assert {*MODELS} == {*tasks()}


@pytest.mark.parametrize("name", MODELS)
def test_the_code_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    MODELS[name](tmp_path / "model")
    loaded = load(str(tmp_path / "model"))
    names = hub_names(loaded.config)
    assert names.task == name
    plain = example()
    merged = plain.merged.model_copy(
        update={
            "task": name,
            "measure": names.measure,
            "auto_class": names.auto_class,
            "auto_processor": auto_processor(loaded),
            "architecture": type(loaded.model).__name__,
        }
    )
    done = run_card(plain.model_copy(update={"merged": merged}), tmp_path / "model")
    assert type(done["model"]) is type(loaded.model)
    example_of = find_task(name).example
    assert example_of.processor in done
    if example_of.once and ".wav" not in example_of.once:  # reading sounds takes ffmpeg
        Image.new("RGB", (8, 8)).save(tmp_path / "image.jpg")
        monkeypatch.chdir(tmp_path)
        pipe = pipeline(find_task(name).pipeline_tag, str(tmp_path / "model"))
        assert eval(f"pipe({example_of.once})", {"pipe": pipe})
