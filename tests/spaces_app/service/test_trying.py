"""Rows, texts and prompts that are tried: every contender is asked, and what is right is known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import PreTrainedModel

from hubmerge.errors import DataError
from hubmerge.hub.load import load
from hubmerge.recipe import make_recipe
from spaces_app.service import trying
from spaces_app.service.actions import predict
from spaces_app.service.jobs import Samples
from spaces_app.ui import samples_view
from tests.helpers import texts
from tests.tasks.test_text_classification import bert


def job(folder: Path, models: list[PreTrainedModel]) -> Path:
    """A job's folder with these contenders."""
    names = ("Parent A", "This merge")
    found = {
        name: str(texts.saved(model, folder / str(place)))
        for place, (name, model) in enumerate(zip(names, models, strict=True))
    }
    (folder / trying.CONTENDERS).write_text(json.dumps(found))
    return folder


def test_classifiers_of_texts_are_asked_rows_and_texts(tmp_path: Path) -> None:
    folder = job(tmp_path, [bert(0), bert(1)])
    rows = [
        {"text": f"the {who}", "label": ("few", "many")[n % 2]}
        for n, who in enumerate(texts.WHO * 20)
    ]
    data = tmp_path / "data"
    data.mkdir()
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    trying.write_samples(folder, make_recipe(models=("a/b", "c/d"), dataset=str(data)))
    samples = Samples.model_validate_json((folder / trying.SAMPLES).read_bytes())
    assert samples.kind == "text"
    truth = {row["text"]: {"few", "many"} for row in rows}
    assert len(samples.rows) == len(truth) < trying.ROWS  # copies are measured, and shown, once
    assert all(row.truth in truth[str(row.content)] for row in samples.rows)
    for answers in samples.answers.values():
        assert len(answers) == len(truth)
        for said in answers:
            assert {label for label, _ in said} == {"few", "many"}
            assert sum(share or 0 for _, share in said) == pytest.approx(1)
    shown = str(samples_view.render(samples, "17"))
    assert shown.count('type="radio"') == len(truth)
    asked = predict({"folder": str(folder), "text": samples.rows[0].content})
    assert asked["Parent A"] == [list(each) for each in samples.answers["Parent A"][0]]
    with pytest.raises(DataError, match="do not take that"):
        predict({"folder": str(folder), "image": PIXEL})


PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def test_language_models_go_on_side_by_side(tmp_path: Path) -> None:
    folder = job(tmp_path, [texts.trained("gpt2", 1), texts.trained("gpt2", 2)])
    data = texts.data(tmp_path / "data")
    trying.write_samples(folder, make_recipe(models=("a/b", "c/d"), dataset=str(data)))
    samples = Samples.model_validate_json((folder / trying.SAMPLES).read_bytes())
    assert samples.kind == "prompt"
    for row in samples.rows:
        assert len(str(row.content).split()) == trying.PROMPT_WORDS
        assert row.truth
    said = {name: answers[0][0][0] for name, answers in samples.answers.items()}
    assert all(set(text.split()) <= set(texts.WORDS) for text in said.values())
    assert all(said.values())
    assert "goes on" in str(samples_view.render(samples, "17")) or said
    again = predict({"folder": str(folder), "text": samples.rows[0].content})
    assert {name: answer[0][0] for name, answer in again.items()} == said
    with pytest.raises(DataError, match="longer than"):
        trying.ask(load(str(folder / "0")), "the " * 100)


def test_what_cannot_be_read_leaves_no_rows(tmp_path: Path) -> None:
    folder = job(tmp_path, [bert(0), bert(1)])
    trying.write_samples(folder, make_recipe(models=("a/b", "c/d"), dataset="./nowhere"))
    assert not (folder / trying.SAMPLES).exists()
