"""Classifiers of texts: what they read, row by row, and that nothing of it is padding."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification, GPT2ForSequenceClassification
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.reading import ReadFor
from hubmerge.data.rows import RowSet, choose_rows
from hubmerge.errors import DataError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.hub.load import load
from hubmerge.reporting.card import render_card
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import find_task, task_of_model
from hubmerge.utils.workers import Workers
from tests.helpers import texts

NAMES = {"id2label": {0: "few", 1: "many"}, "label2id": {"few": 0, "many": 1}}
SIZES = {
    "vocab_size": len(texts.WORDS),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}
ROWS = 120


def bert(seed=0, **fields):
    torch.manual_seed(seed)
    model = BertForSequenceClassification(BertConfig(**SIZES, **{**NAMES, **fields})).eval()
    torch.nn.init.normal_(model.classifier.weight)
    return model


def said(row):
    """Between one and nine words."""
    return " ".join(texts.WORDS[1 + (row * 5 + k) % 20] for k in range(1 + row % 9))


def write(folder, rows, split="test"):
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / f"{split}.jsonl").write_text(lines)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    rows = [{"text": said(n), "label": ("few", "many")[n % 2]} for n in range(ROWS)]
    return write(tmp_path_factory.mktemp("data"), rows)


def reading(folder, model, tokens=None, tokenizer=None, **columns):
    task = task_of_model(model)
    measure = task.measure(model.config)
    data = open_data(
        folder,
        ref="me/texts",
        columns=DataColumns(inputs=task.inputs, answers=measure.answers, **columns),
    )
    wanted = ReadFor(
        model=model,
        statistics=measure.statistics(model.config),
        answers=measure.answers,
        tokenizer=tokenizer or texts.tokenizer(),
        labels=model.config.id2label,
        tokens=tokens,
    )
    return data, task.read(data, wanted)


def test_a_row_is_a_text_and_no_batch_is_padded(folder):
    model, cut = bert(), texts.tokenizer()
    rows = RowSet("test", tuple(range(ROWS - 1, -1, -1)), ROWS)
    _, found = reading(folder, model, tokens=7)
    batches = found.batches(rows, True)
    assert found.unit == "texts"
    assert sum(batches.sizes) == len(rows)
    for batch in (batches[k] for k in range(len(batches))):
        assert {*batch.inputs} == {"input_ids", "attention_mask"}
        assert batch.inputs["attention_mask"].all()
    measured = outputs(model, batches, Workers(threads=1))
    for place, row in enumerate(rows.indices[:20]):
        ids = torch.tensor([cut(said(row))["input_ids"][:7]])
        with torch.no_grad():
            expected = model(input_ids=ids).logits[0].double()
        assert torch.allclose(torch.tensor(measured.logits[place]), expected, atol=1e-5)
        assert measured.labels[place] == row % 2
    part = batches.part(10, 30)
    again = outputs(model, part, Workers(threads=1))
    assert (again.labels == measured.labels[10:30]).all()
    assert abs(again.logits - measured.logits[10:30]).max() < 1e-5


def test_no_more_is_read_than_the_tokenizer_lets_pass_unless_it_is_asked_for(folder):
    cut = texts.tokenizer()
    cut.model_max_length = 5
    for asked, most in ((None, 5), (7, 7)):
        _, found = reading(folder, bert(), tokens=asked, tokenizer=cut)
        batches = found.batches(RowSet("test", tuple(range(ROWS)), ROWS), False)
        lengths = {batches[k].inputs["input_ids"].shape[1] for k in range(len(batches))}
        assert max(lengths) == most


def test_pairs_are_read_together(tmp_path):
    rows = [
        {"id": "x", "premise": said(n), "hypothesis": said(n + 3), "label": n % 2}
        for n in range(40)
    ]
    folder = write(tmp_path / "pairs", rows)
    data, found = reading(folder, bert())
    assert (data.text_column, data.pair_column) == ("premise", "hypothesis")
    assert found.unit == "text pairs"
    assert found.columns == {"input": "premise", "pair": "hypothesis", "label": "label"}
    first = found.batches(RowSet("test", (0,), 40), False)[0].inputs["input_ids"][0].tolist()
    assert first == texts.tokenizer()(said(0), said(3))["input_ids"]
    alone, _ = reading(folder, bert(), text="hypothesis")
    assert (alone.text_column, alone.pair_column) == ("hypothesis", None)
    given, _ = reading(folder, bert(), pair="hypothesis", text="id")
    assert (given.text_column, given.pair_column) == ("id", "hypothesis")
    with pytest.raises(DataError, match=r"does not hold text"):
        reading(folder, bert(), text="premise", pair="label")


def test_pairs_of_which_one_text_lacks_are_left_out(tmp_path):
    rows = [{"premise": said(n), "hypothesis": said(n + 3), "label": n % 2} for n in range(300)]
    rows[7]["hypothesis"] = rows[9]["premise"] = None
    data, _ = reading(write(tmp_path / "pairs", rows), bert())
    assert data.left_out == {"test": frozenset({7, 9})}


def test_models_that_take_one_row_at_a_time(folder):
    torch.manual_seed(0)
    model = GPT2ForSequenceClassification(texts.gpt2(num_labels=2, **NAMES).config).eval()
    assert model.config.pad_token_id is None
    _, found = reading(folder, model)
    batches = found.batches(RowSet("test", (3, 12, 21), ROWS), True)
    assert batches.sizes == [1, 1, 1]
    assert len(outputs(model, batches, Workers(threads=1))) == 3


def test_what_cannot_be_read_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match=r"13 tokens(.|\n)*takes 12"):
        reading(folder, bert(), tokens=13)
    strange = texts.tokenizer([*map(str, range(len(texts.WORDS))), *texts.WORDS])
    _, found = reading(folder, bert(), tokenizer=strange)
    with pytest.raises(DataError, match="holds a token the model does not know"):
        found.batches(RowSet("test", (0,), ROWS), False)


def test_a_merge_is_measured_and_its_card_runs(folder, tmp_path):
    for seed in (0, 1):
        texts.saved(bert(seed), tmp_path / f"parent{seed}")
    given = [
        "--match",
        "none",
        "--effort",
        "quick",
        "--dataset",
        folder,
        "-o",
        tmp_path / "out",
        "--path-points",
        "0",
    ]
    parents = [tmp_path / "parent0", tmp_path / "parent1"]
    done = CliRunner().invoke(app, [str(each) for each in ("merge", *parents, *given, "-q")])
    assert done.exit_code == 0, (done.output, done.exception)
    report = Report.read(tmp_path / "out")
    assert (report.merged.task, report.merged.labels) == ("text-classification", ["few", "many"])
    assert report.data.unit == "texts"
    merge = load(str(tmp_path / "out"))
    data, _ = reading(folder, merge.model)
    right = []
    rows = choose_rows(data).evaluation
    for row in rows.indices:
        ids = torch.tensor([texts.tokenizer()(said(row))["input_ids"]])
        right.append(int(merge.model(input_ids=ids).logits.argmax()) == row % 2)
    assert report.data.evaluation.fingerprint == rows.fingerprint
    assert report.contenders.merge.accuracy == sum(right) / report.n
    code = render_card(report, str(tmp_path / "out")).split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(code, names)
    assert type(names["model"]) is BertForSequenceClassification
    assert names["tokenizer"]("the cat")["input_ids"] == texts.tokenizer()("the cat")["input_ids"]


def test_it_is_found_by_its_name():
    assert find_task("text-classification").inputs == ("text", "pair")
