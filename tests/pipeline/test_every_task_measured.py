"""Two models of a task, from folders and rows to a card whose figures stock code finds again."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset, DatasetDict, Features, Image, List, Value
from PIL import Image as Pillow
from scipy.stats import pearsonr, spearmanr
from transformers import (
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForMaskedLM,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForQuestionAnswering,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from hubmerge.data.masked_rows import hidden_places
from hubmerge.verification.result import Outcome
from hubmerge.verification.verify import verify
from tests.helpers import tagged
from tests.helpers.measured import merged, run_card
from tests.helpers.small_models import save, tiny_vit
from tests.tasks.test_feature_extraction import sentence_model

pytestmark = pytest.mark.slow

ROWS = 60
NAMES = ["cat", "dog", "fur"]
SETS = {
    "problem_type": "multi_label_classification",
    "id2label": dict(enumerate(NAMES)),
    "label2id": {name: index for index, name in enumerate(NAMES)},
}
AGE = {"id2label": {0: "age"}, "label2id": {"age": 0}}
TAGS = {
    "id2label": dict(enumerate(tagged.TAGS)),
    "label2id": {name: index for index, name in enumerate(tagged.TAGS)},
}

Rows = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """Parents of a task, rows for them, and the figures that these give.

    found: of the merge's folder and its test rows, by what reports call it.
    """

    task: str
    measure: str
    parent: Callable[[Path, int], Any]
    row: Callable[[int], dict[str, Any]]
    found: Callable[[Path, Rows], dict[str, float]]
    types: Features | None = None


def text(row: int) -> str:
    return " ".join(tagged.sentence(row)[0])


def bert(kind: type, fields: dict[str, Any], folder: Path, seed: int) -> None:
    tagged.saved(tagged.tiny(kind, seed, **fields), folder)


def vit(fields: dict[str, Any], folder: Path, seed: int) -> None:
    save(folder, tiny_vit(seed, **fields))


def names(row: int) -> list[str]:
    return [name for bit, name in enumerate(NAMES) if row >> bit & 1]


def picture(row: int) -> np.ndarray:
    return np.random.default_rng(row).integers(0, 256, (8, 8, 3), dtype=np.uint8)


def padded(out: Path, *texts: Any, **options: Any) -> Any:
    cut = AutoTokenizer.from_pretrained(out)
    return cut(*texts, padding=True, truncation=True, max_length=14, return_tensors="pt", **options)


def right(logits: torch.Tensor, labels: torch.Tensor) -> float:
    asked = labels != -100
    return float((logits.argmax(-1) == labels)[asked].double().mean())


def of_tags(out: Path, rows: Rows) -> dict[str, float]:
    given = padded(out, [row["tokens"] for row in rows], is_split_into_words=True)
    labels = torch.full_like(given["input_ids"], -100)
    for row, said in enumerate(rows):
        owners = given.word_ids(row)
        for word, tag in enumerate(said["ner_tags"]):
            labels[row, owners.index(word)] = TAGS["label2id"][tag]
    said = AutoModelForTokenClassification.from_pretrained(out)(**given, labels=labels)
    return {"loss": float(said.loss), "accuracy": right(said.logits, labels)}


def of_hidden(out: Path, rows: Rows) -> dict[str, float]:
    given = padded(out, [row["text"] for row in rows], return_special_tokens_mask=True)
    labels, plain = torch.full_like(given["input_ids"], -100), given.pop("special_tokens_mask") == 0
    for row in range(len(rows)):
        places = hidden_places(plain[row].numpy(), row)
        labels[row, places] = given["input_ids"][row, places]
    given["input_ids"][labels != -100] = tagged.PIECES.index("[MASK]")
    said = AutoModelForMaskedLM.from_pretrained(out)(**given, labels=labels)
    return {"loss": float(said.loss), "accuracy": right(said.logits, labels)}


def question(row: int) -> dict[str, Any]:
    """As SQuAD 2 has them: of every fourth there is no answer."""
    words = tagged.sentence(row)[0]
    told = {"text": [words[2]], "answer_start": [text(row).index(words[2])]}
    nothing: dict[str, list[Any]] = {"text": [], "answer_start": []}
    return {"question": "a cat", "context": text(row), "answers": told if row % 4 else nothing}


def of_spans(out: Path, rows: Rows) -> dict[str, float]:
    model = AutoModelForQuestionAnswering.from_pretrained(out)
    losses, exact = [], []
    for row in rows:
        given = padded(out, row["question"], row["context"])
        span = (0, 0)
        for start in row["answers"]["answer_start"]:
            last = start + len(row["answers"]["text"][0]) - 1
            span = (given.char_to_token(0, start, 1), given.char_to_token(0, last, 1))
        ends = [torch.tensor([end]) for end in span]
        said = model(**given, start_positions=ends[0], end_positions=ends[1])
        first, last = said.start_logits[0], said.end_logits[0]
        pairs = [(a, b) for a in range(len(first)) for b in range(a, len(first))]
        exact.append(max(pairs, key=lambda each: float(first[each[0]] + last[each[1]])) == span)
        losses.append(float(said.loss))
    return {"loss": float(np.mean(losses)), "accuracy": float(np.mean(exact))}


def embedded(out: Path, texts: list[str], *, first: bool = False, most: int = 14) -> torch.Tensor:
    """Of length 1: by the first token's state, or by the mean over those that are no padding."""
    cut = AutoTokenizer.from_pretrained(out)
    given = cut(texts, padding=True, truncation=True, max_length=most, return_tensors="pt")
    states = AutoModel.from_pretrained(out)(**given).last_hidden_state
    weights = given["attention_mask"].unsqueeze(-1)
    found = states[:, 0] if first else (states * weights).sum(1) / weights.sum(1)
    return torch.nn.functional.normalize(found.double(), dim=-1)


def of_scores(out: Path, rows: Rows) -> dict[str, float]:
    a, b = (embedded(out, [row[f"sentence{n}"] for row in rows]) for n in (1, 2))
    cosines, scores = (a * b).sum(1).tolist(), [row["score"] for row in rows]
    found = float(spearmanr(cosines, scores)[0])
    return {"accuracy": found, "Pearson correlation": float(pearsonr(cosines, scores)[0])}


def of_triplets(out: Path, rows: Rows) -> dict[str, float]:
    a, p, n = (
        embedded(out, [row[name] for row in rows], first=True, most=6)
        for name in ("anchor", "positive", "negative")
    )
    near, far = (a * p).sum(1), (a * n).sum(1)
    loss = float(torch.nn.functional.softplus(20 * (far - near)).mean())
    return {"loss": loss, "accuracy": float((near > far).double().mean())}


def of_sets(logits: torch.Tensor, rows: Rows) -> dict[str, float]:
    wanted = torch.tensor([[float(name in row["labels"]) for name in NAMES] for row in rows])
    said = logits > 0
    hits = float((said & (wanted > 0)).sum())
    return {
        "loss": float(torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)),
        "accuracy": float((said == (wanted > 0)).all(1).double().mean()),
        "micro-F1": 2 * hits / float(said.sum() + wanted.sum()),
    }


def of_numbers(logits: torch.Tensor, rows: Rows) -> dict[str, float]:
    said, wanted = logits[:, 0].tolist(), [row["age"] for row in rows]
    return {
        "loss": float(np.mean(np.subtract(said, wanted) ** 2) / np.var(wanted)),
        "accuracy": float(pearsonr(said, wanted)[0]),
        "Spearman correlation": float(spearmanr(said, wanted)[0]),
    }


def of_texts(figures: Callable[..., dict[str, float]], out: Path, rows: Rows) -> dict[str, float]:
    given = padded(out, [row["text"] for row in rows])
    return figures(AutoModelForSequenceClassification.from_pretrained(out)(**given).logits, rows)


def of_images(figures: Callable[..., dict[str, float]], out: Path, rows: Rows) -> dict[str, float]:
    images = [Pillow.fromarray(row["image"]) for row in rows]
    given = AutoImageProcessor.from_pretrained(out)(images=images, return_tensors="pt")
    return figures(AutoModelForImageClassification.from_pretrained(out)(**given).logits, rows)


CASES = {
    "tags": Case(
        "token-classification",
        "tags",
        partial(bert, BertForTokenClassification, TAGS),
        lambda row: dict(zip(("tokens", "ner_tags"), tagged.sentence(row), strict=True)),
        of_tags,
    ),
    "hidden tokens": Case(
        "fill-mask",
        "masked tokens",
        partial(bert, BertForMaskedLM, {}),
        lambda row: {"text": text(row)},
        of_hidden,
    ),
    "questions": Case(
        "question-answering",
        "spans",
        partial(bert, BertForQuestionAnswering, {}),
        question,
        of_spans,
    ),
    "embeddings": Case(
        "feature-extraction",
        "similarity",
        partial(bert, BertModel, {}),
        lambda row: {
            "sentence1": text(row),
            "sentence2": text(row * 5 + 1),
            "score": row * 7 % 11 / 2,
        },
        of_scores,
    ),
    "sentence-transformers": Case(
        "feature-extraction",
        "triplets",
        lambda folder, seed: sentence_model(folder, seed),
        lambda row: {
            "anchor": text(row),
            "positive": text(row * 3 + 2),
            "negative": text(row * 5 + 1),
        },
        of_triplets,
    ),
    "labels of texts": Case(
        "text-classification",
        "label sets",
        partial(bert, BertForSequenceClassification, SETS),
        lambda row: {"text": text(row), "labels": names(row)},
        partial(of_texts, of_sets),
    ),
    "numbers of texts": Case(
        "text-classification",
        "numbers",
        partial(bert, BertForSequenceClassification, AGE),
        lambda row: {"text": text(row), "age": row % 7 / 2},
        partial(of_texts, of_numbers),
    ),
    "labels of images": Case(
        "image-classification",
        "label sets",
        partial(vit, SETS),
        lambda row: {"image": picture(row), "labels": names(row)},
        partial(of_images, of_sets),
        Features({"image": Image(), "labels": List(Value("string"))}),
    ),
    "numbers of images": Case(
        "image-classification",
        "numbers",
        partial(vit, AGE),
        lambda row: {"image": picture(row), "age": row % 7 / 2},
        partial(of_images, of_numbers),
        Features({"image": Image(), "age": Value("float64")}),
    ),
}


def stored(case: Case, place: Path) -> Path:
    """Three splits: files of rows, or as `save_to_disk` writes pictures."""
    splits = {
        name: [case.row(n + ROWS * k) for n in range(ROWS)]
        for k, name in enumerate(("test", "train", "validation"))
    }
    if case.types is not None:
        made = {name: Dataset.from_list(rows, case.types) for name, rows in splits.items()}
        DatasetDict(made).save_to_disk(str(place))
        return place
    place.mkdir()
    for name, rows in splits.items():
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"{name}.jsonl").write_text(lines)
    return place


@torch.no_grad()
@pytest.mark.parametrize("name", CASES)
def test_what_stock_code_finds_is_what_the_report_says(name: str, tmp_path: Path) -> None:
    case, out = CASES[name], tmp_path / "out"
    for seed in (0, 1):
        case.parent(tmp_path / f"parent{seed}", seed)
    data = stored(case, tmp_path / "rows")
    given = ["--label-column", "age"] if case.measure == "numbers" else []
    report = merged(tmp_path, data, "--match", "auto", "--effort", "standard", *given)
    assert (report.n, report.merged.task) == (ROWS, case.task)
    assert report.merged.measure in (case.measure, None)
    with torch.enable_grad():
        assert verify(str(out)).outcome is Outcome.IDENTICAL
        run_card(report, out)
    rows = [case.row(n) for n in range(ROWS)]
    merge = report.contenders.merge
    said = {"loss": merge.loss, "accuracy": merge.accuracy}
    said |= {score: each.value for score, each in (merge.scores or {}).items()}
    for figure, value in case.found(out, rows).items():
        assert said[figure] == pytest.approx(value, rel=1e-4, abs=1e-6), figure
    for contender in (report.contenders.parent_a, report.contenders.parent_b, merge):
        assert all(map(math.isfinite, (contender.loss, contender.accuracy)))
