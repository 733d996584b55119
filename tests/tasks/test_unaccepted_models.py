"""Models that no task accepts: merged, measured by nothing, and never called what they are not."""

from __future__ import annotations

import pytest
import torch
import yaml
from transformers import (
    BertConfig,
    BertForNextSentencePrediction,
    BertForSequenceClassification,
    ViTConfig,
    ViTModel,
)
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.errors import RecipeError
from hubmerge.reporting.card import render_card
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import find_task, require_task, task_of

BERT = {
    "vocab_size": 20,
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 12,
}
VIT = {**BERT, "image_size": 8, "patch_size": 4}
MODELS = {
    "classifier": (
        lambda: BertForNextSentencePrediction(BertConfig(**BERT)),
        "AutoModelForNextSentencePrediction",
        None,
    ),
    "bare": (lambda: ViTModel(ViTConfig(**VIT)), "AutoModel", None),
}


def run(*arguments):
    return CliRunner().invoke(app, [str(each) for each in arguments])


@pytest.fixture
def parents(request, tmp_path):
    build = MODELS[request.param][0]
    for seed in (0, 1):
        torch.manual_seed(seed)
        build().save_pretrained(tmp_path / f"parent{seed}")
    return tmp_path / "parent0", tmp_path / "parent1"


@pytest.mark.parametrize(
    ("parents", "kind"), [(kind, kind) for kind in MODELS], indirect=["parents"]
)
def test_they_are_merged_and_their_card_names_the_class_that_loads_them(parents, kind, tmp_path):
    build, auto_class, tag = MODELS[kind]
    architecture = type(build()).__name__
    planned = run("plan", *parents, "--match", "none")
    assert f"no task accepts a {architecture}" in " ".join(planned.output.split())
    done = run("merge", *parents, "--match", "none", "-o", tmp_path / "out", "-q")
    assert done.exit_code == 0, done.output
    assert f"nothing was evaluated: no task accepts a {architecture}" in done.output
    report = Report.read(tmp_path / "out")
    merged = report.merged
    assert (merged.task, merged.auto_class, merged.pipeline_tag) == (None, auto_class, tag)
    assert report.limits[0] == f"Nothing was measured: no task accepts a {architecture}."
    card = (tmp_path / "out" / "README.md").read_text()
    metadata = yaml.safe_load(card.split("---\n")[1])
    assert metadata.get("pipeline_tag") == tag
    assert "image" not in card or kind == "bare"
    code = render_card(report, str(tmp_path / "out")).split("```python\n")[1].split("```")[0]
    names: dict = {}
    exec(code, names)
    assert type(names["model"]).__name__ == architecture
    a, b = (build() for _ in range(2))
    for seed, model in enumerate((a, b)):
        model.load_state_dict(type(model).from_pretrained(parents[seed]).state_dict())
    merged_state = names["model"].state_dict()
    for name, value in a.state_dict().items():
        if value.is_floating_point():
            assert torch.allclose(merged_state[name], (value + b.state_dict()[name]) / 2, atol=1e-6)


@pytest.mark.parametrize("parents", ["classifier"], indirect=True)
def test_data_for_them_is_refused_with_what_can_be_measured(parents, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "test.csv").write_text("text,label\nfine,good\n")
    given = ("--match", "none", "--dataset", tmp_path / "data", "-o", tmp_path / "out")
    refused = run("merge", *parents, *given).exception
    assert isinstance(refused, RecipeError)
    assert "no task accepts a BertForNextSentencePrediction" in refused.what
    config = BertConfig.from_pretrained(parents[0])
    with pytest.raises(RecipeError) as refused:
        require_task(config, "me/reviews")
    assert "me/reviews" in str(refused.value)
    assert "image-classification: image classifiers" in str(refused.value)
    assert not (tmp_path / "out").exists()


def test_the_order_of_classes_is_not_passed_over(tmp_path):
    parents = []
    for seed, names in enumerate((["bad", "good"], ["good", "bad"])):
        torch.manual_seed(seed)
        labels = {
            "id2label": dict(enumerate(names)),
            "label2id": {n: i for i, n in enumerate(names)},
        }
        model = BertForSequenceClassification(BertConfig(**BERT, **labels))
        model.save_pretrained(tmp_path / str(seed))
        parents.append(model.classifier.weight)
    done = run("merge", tmp_path / "0", tmp_path / "1", "--match", "none", "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    merged = BertForSequenceClassification.from_pretrained(tmp_path / "out")
    assert torch.allclose(merged.classifier.weight, (parents[0] + parents[1].flip(0)) / 2)


def test_what_a_task_is_called_is_known_or_refused():
    assert task_of(BertConfig(**BERT, architectures=["BertForPreTraining"])) is None
    assert task_of(BertConfig(**BERT, architectures=["BertLMHeadModel"])).name == "text-generation"
    with pytest.raises(RecipeError, match="image-classification"):
        find_task("image-clasification")
