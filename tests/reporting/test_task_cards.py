"""A card of every task, as the embedded Hub shows it: nothing is cut, broken or left over.

HUBMERGE_PICTURES=FOLDER keeps a screenshot of each, to be looked at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import ClassLabel, Value
from playwright.sync_api import Browser
from transformers import (
    BertForMaskedLM,
    BertForQuestionAnswering,
    PreTrainedModel,
)
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.localhub import EmbeddedHub
from hubmerge.reporting.schema.report import Report
from tests.helpers import tagged, texts, zoo
from tests.helpers.browser import PICTURES, a_browser
from tests.helpers.hub_fixtures import hub, impatient, server  # noqa: F401
from tests.helpers.small_models import push
from tests.tasks import test_feature_extraction as embedding
from tests.tasks import test_problem_type as meanings
from tests.tasks import test_sounds as sounds
from tests.tasks import test_text_classification as classes
from tests.tasks import test_text_to_text as to_text
from tests.tasks import test_token_tasks as tokens
from tests.tasks import test_zero_shot as towers

pytestmark = pytest.mark.slow

ROWS = 150
WIDTHS = {"": 1100, "-phone": 390}
NEAR = 0.02
"""Of every weight, how far the second parent is from the first one: what they say stays alike."""
SPILLS = """() => {
  const wide = document.documentElement.clientWidth;
  return [...document.querySelectorAll('main *, article *, body *')]
    .filter((each) => !each.closest('pre, table, svg'))
    .filter((each) => each.getBoundingClientRect().right > wide + 1)
    .map((each) => each.outerHTML.slice(0, 120));
}"""
BROKEN = """() => [...document.images].filter((each) => !each.complete || !each.naturalWidth)
  .map((each) => each.src)"""


@dataclass(frozen=True)
class Pair:
    """Two parents of a task and rows for them."""

    build: Callable[[int], PreTrainedModel]
    write: Callable[[PreTrainedModel, Path], Any]
    data: Callable[[Path], Path]
    near: bool = True
    """Whether the second is the first, a little changed; else a model of its own."""


def _lines(place: Path, rows: list[dict[str, Any]]) -> Path:
    place.mkdir()
    (place / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def _spoken(build: Callable[[], Any], model: PreTrainedModel, folder: Path) -> None:
    (model.save_pretrained if build is sounds.ast else partial(tagged.saved, model))(folder)
    sounds.EXTRACTORS[build]().save_pretrained(folder)


def _heard(place: Path) -> Path:
    said = [" ".join(tagged.sentence(n)[0][:2]) for n in range(ROWS)]
    recordings = [sounds.wav(sounds.tone(n).repeat(3), 16_000) for n in range(ROWS)]
    return sounds.stored(place, recordings, text=(Value("string"), said))


def _tones(place: Path) -> Path:
    labels = (ClassLabel(names=sounds.NAMES), [1 - n % 2 for n in range(ROWS)])
    return sounds.stored(place, [sounds.wav(sounds.tone(n)) for n in range(ROWS)], label=labels)


def _clip(model: PreTrainedModel, folder: Path) -> None:
    tagged.saved(model, folder)
    towers.processor().save_pretrained(folder)


def _seen(place: Path) -> Path:
    return towers.stored(place, ROWS)


def _words(n: int) -> str:
    return " ".join(tagged.sentence(n)[0])


def _named(n: int) -> list[str]:
    return list(meanings.FUR["label2id"])[: n % 4]


NUMBERS = {"num_labels": 1, "id2label": {0: "LABEL_0"}, "label2id": {"LABEL_0": 0}}
PAIRS = {
    "audio-classification": Pair(sounds.ast, partial(_spoken, sounds.ast), _tones),
    "automatic-speech-recognition": Pair(sounds.whisper, partial(_spoken, sounds.whisper), _heard),
    "clip": Pair(towers.clip, _clip, _seen),
    "embedding": Pair(
        lambda seed: tagged.tiny(embedding.BertModel, seed),
        tagged.saved,
        lambda place: _lines(
            place,
            [
                {"sentence1": _words(n), "sentence2": _words(n * 5 + 1), "score": n * 7 % 11 / 2}
                for n in range(ROWS)
            ],
        ),
    ),
    "fill-mask": Pair(
        lambda seed: tagged.tiny(BertForMaskedLM, seed),
        tagged.saved,
        lambda place: _lines(place, [{"text": _words(n)} for n in range(ROWS)]),
    ),
    "image-classification": Pair(
        lambda seed: zoo.trained("vit", 1),
        lambda model, folder: zoo.write_model(folder, model, "vit"),
        lambda place: zoo.write_data(place, zoo.rows()),
    ),
    "language": Pair(lambda seed: texts.trained("gpt2", 1), texts.saved, texts.data),
    "language-apart": Pair(
        lambda seed: texts.trained("llama", seed), texts.saved, texts.data, False
    ),
    "multi-label": Pair(
        lambda seed: classes.bert(seed, **meanings.SETS, **meanings.FUR),
        texts.saved,
        lambda place: _lines(
            place, [{"text": classes.said(n), "labels": _named(n)} for n in range(ROWS)]
        ),
    ),
    "question-answering": Pair(
        lambda seed: tagged.tiny(BertForQuestionAnswering, seed),
        tagged.saved,
        lambda place: _lines(place, [to_text.question(n) for n in range(ROWS)]),
    ),
    "regression": Pair(
        lambda seed: classes.bert(seed, **NUMBERS),
        texts.saved,
        lambda place: _lines(
            place, [{"text": classes.said(n), "score": n % 7 / 2} for n in range(ROWS)]
        ),
    ),
    "retrieval": Pair(
        lambda seed: tagged.tiny(embedding.BertModel, seed),
        tagged.saved,
        lambda place: _lines(
            place,
            [
                {"question": _words(n), "positive": f"{_words(n)} {_words(n // 7)}"}
                for n in range(ROWS)
            ],
        ),
    ),
    "speech-recognition-ctc": Pair(
        sounds.listener,
        partial(_spoken, sounds.listener),
        _heard,
    ),
    "text-classification": Pair(
        classes.bert,
        texts.saved,
        lambda place: _lines(
            place,
            [{"text": classes.said(n), "label": ("few", "many")[n % 2]} for n in range(ROWS)],
        ),
    ),
    "token-classification": Pair(
        tokens.tagger,
        tagged.saved,
        lambda place: _lines(
            place,
            [
                dict(zip(("tokens", "ner_tags"), tagged.sentence(n), strict=True))
                for n in range(ROWS)
            ],
        ),
    ),
    "translation": Pair(
        to_text.t5,
        tagged.saved,
        lambda place: _lines(
            place,
            [{"source": _words(n), "target": _words(n * 3 + 1)} for n in range(ROWS)],
        ),
    ),
}


def _moved(model: PreTrainedModel) -> PreTrainedModel:
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(NEAR * parameter.std(correction=0) * torch.randn_like(parameter))
    return model


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as found:
        yield found


@pytest.mark.parametrize("name", PAIRS)
def test_a_card_reads_as_if_made_for_its_task(
    name: str,
    hub: EmbeddedHub,  # noqa: F811
    browser: Browser,
    tmp_path: Path,
) -> None:
    pair, data = PAIRS[name], f"me/rows-{name}"
    for number in (0, 1):
        model = pair.build(0 if pair.near else number)
        folder = tmp_path / f"parent{number}"
        pair.write(_moved(model) if pair.near and number else model, folder)
        (folder / "README.md").write_text("---\nlicense: mit\n---\n# A parent\n")
        push(hub, f"me/{name}-{'ab'[number]}", folder)
    push(hub, data, pair.data(tmp_path / "data"), repo_type="dataset")
    report = merged_on_the_hub(tmp_path, name, data)
    page = browser.new_page()
    for suffix, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 1000})
        page.goto(f"{hub.url}/me/merge-{name}")
        page.get_by_role("heading", name="Merge of").wait_for()
        if PICTURES:
            page.screenshot(path=Path(PICTURES, f"card-{name}{suffix}.png"), full_page=True)
        assert page.evaluate(SPILLS) == []
        assert page.evaluate(BROKEN) == []
    said = page.locator("body").inner_text()
    assert said.index(report.verdict_sentence) < said.index("What was merged, and how")
    assert not {"None", "nan", "{{", "Undefined"} & {*said.split()}
    page.close()


def merged_on_the_hub(folder: Path, name: str, data: str) -> Report:
    """Merged, matched where the family is known, and pushed as me/merge-NAME."""
    parents = [f"me/{name}-{letter}" for letter in "ab"]
    out = folder / "out"
    line = ["merge", *parents, "--dataset", data, "-o", str(out), "--effort", "quick", "-q"]
    done = CliRunner().invoke(app, [*line, "--push", f"me/merge-{name}"])
    assert done.exit_code == 0, (done.output, done.exception)
    return Report.read(out)
