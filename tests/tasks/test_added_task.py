"""A task is one object: with it, models that nothing measured are measured and have a card."""

from __future__ import annotations

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value
from transformers import BertConfig, BertForNextSentencePrediction
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.data.column_types import CLASSES
from hubmerge.registry import registry
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import Example, Measure, Task, Words, register, task_of
from tests.helpers import texts

NAME = "next-sentence-prediction"
TOKENS = 6


def accepts(config):
    return (config.architectures or [""])[0].endswith("ForNextSentencePrediction")


def probe(model, rows=2, seed=0):
    from hubmerge.models.probe_inputs import probe_inputs

    return probe_inputs(model, rows, seed)


def statistics(config):
    from hubmerge.models.class_outputs import ClassStatistics

    return ClassStatistics()


def combine(members, known=None):
    from hubmerge.models.class_outputs import mean_prediction

    return mean_prediction(members, known)


def read(data, wanted):
    from hubmerge.data.batches import ColumnReader
    from hubmerge.data.reading import read_labelled

    column = data.text_column

    def rows_of(dataset, split, rows):
        given = [wanted.tokenizer(dataset[row][column])["input_ids"][:TOKENS] for row in rows]
        ids = torch.tensor([[*each, *[0] * (TOKENS - len(each))] for each in given])
        lengths = torch.tensor([[len(each)] for each in given])
        return {"input_ids": ids, "attention_mask": (torch.arange(TOKENS) < lengths).long()}

    return read_labelled(data, wanted, ColumnReader((column,), rows_of), "texts")


def task():
    """A task of models that say whether a text follows another."""
    return Task(
        name=NAME,
        summary="whether a text follows another",
        pipeline_tag=NAME,
        auto_class="AutoModelForNextSentencePrediction",
        auto_processor="AutoTokenizer",
        accepts=accepts,
        label_axes={"logits": 1},
        companion_files=("tokenizer_config.json", "tokenizer.json"),
        probe=probe,
        inputs=("text",),
        columns="a text, and labels",
        read=read,
        measures=(
            Measure(
                name="classes",
                statistics=statistics,
                answers=CLASSES,
                combine=combine,
                words=Words(accuracy="share of texts that are right"),
            ),
        ),
        example=Example(processor="tokenizer", note="Made for reviews."),
    )


@pytest.fixture
def added():
    made, known = task(), registry("tasks")
    known.add(made.accepts, lambda name: made, NAME)
    yield made
    for place in (known._registered, known._outside):
        place.pop(NAME, None)


def pair_of_parents(folder):
    """Two such models, in `folder`/parent0 and parent1."""
    tokenizer = texts.tokenizer()
    labels = {"id2label": {0: "no", 1: "yes"}, "label2id": {"no": 0, "yes": 1}}
    for seed in (0, 1):
        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=24,
            max_position_embeddings=12,
            **labels,
        )
        model = BertForNextSentencePrediction(config)
        model.save_pretrained(folder / f"parent{seed}")
        tokenizer.save_pretrained(folder / f"parent{seed}")


def test_a_merge_is_measured_by_an_added_task(added, tmp_path):
    pair_of_parents(tmp_path)
    said = [f"{a} {b} ." for a in texts.WHO for b in texts.WHO]
    types = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
    rows = {"text": said, "label": [len(text) % 2 for text in said]}
    splits = {name: Dataset.from_dict(rows, features=types) for name in ("train", "test")}
    DatasetDict(splits).save_to_disk(str(tmp_path / "data"))
    given = [
        "--match",
        "none",
        "--effort",
        "quick",
        "--dataset",
        tmp_path / "data",
        "-o",
        tmp_path / "out",
        "-q",
    ]
    parents = [tmp_path / "parent0", tmp_path / "parent1"]
    done = CliRunner().invoke(app, [str(each) for each in ("merge", *parents, *given)])
    assert done.exit_code == 0, (done.output, done.exception)
    report = Report.read(tmp_path / "out")
    assert (report.merged.task, report.merged.pipeline_tag) == (NAME, NAME)
    assert report.data.unit == "texts"
    assert report.data.columns == {"input": "text", "label": "label"}
    for contender in (*report.contenders.parents, report.contenders.merge):
        assert contender.n == report.n > 0
        assert contender.loss > 0
    assert report.contenders.ensemble.loss is not None
    assert report.barrier.naive is not None
    assert "share of texts that are right" in done.output
    card = (tmp_path / "out" / "README.md").read_text()
    assert "share of texts that are right" in card
    assert "AutoTokenizer, AutoModelForNextSentencePrediction" in card
    assert "tokenizer = AutoTokenizer.from_pretrained(name)" in card
    assert "Made for reviews." in card
    assert (tmp_path / "out" / "tokenizer.json").is_file()


def test_without_it_nothing_measures_them():
    assert task_of(BertConfig(architectures=["BertForNextSentencePrediction"])) is None


def test_a_task_is_called_as_its_file_is():
    made = Task(
        name="something-else",
        summary="",
        pipeline_tag=NAME,
        auto_class="AutoModel",
        auto_processor="AutoTokenizer",
        accepts=registry("tasks").get("text-generation").accepts,
        label_axes={},
        companion_files=(),
        probe=probe,
        inputs=("text",),
        columns="a text, and labels",
        read=read,
        measures=(),
    )
    with pytest.raises(ValueError, match="text-generation"):
        register(made)
