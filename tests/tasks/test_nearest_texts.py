"""Models that embed texts, on texts that belong together: triplets, and pairs without a score."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from transformers import BertModel

from hubmerge.errors import DataError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.models.nearest_outputs import (
    SCALE,
    RetrievalOutputs,
    TripletOutputs,
    mean_retrieval,
    mean_triplets,
)
from hubmerge.utils.workers import Workers
from tests.helpers import tagged
from tests.helpers.measured import every_row, merged, reading

ROWS = 40
NAMES = ("anchor", "positive", "negative")


def text(row):
    return " ".join(tagged.sentence(row)[0])


def write(place, names=NAMES, rows=ROWS, **more):
    said = [
        {name: text(n + k * n + 7 * k) for k, name in enumerate(names)} | more for n in range(rows)
    ]
    place.write_text("".join(json.dumps(row) + "\n" for row in said))
    return said


def embedded(model, said):
    with torch.no_grad():
        given = tagged.tokenizer()(said, return_tensors="pt")
        return model(**given).last_hidden_state[0].mean(0).double()


def cosine(a, b):
    return float(torch.cosine_similarity(a, b, dim=0))


def measured(place, model, **columns):
    data, found = reading(place, model, tokenizer=tagged.tokenizer(), columns=columns)
    return data, found, outputs(model, every_row(data, found), Workers(threads=1))


def test_of_triplets_two_cosines_decide(tmp_path):
    model, rows = tagged.tiny(BertModel).eval(), write(tmp_path / "t.jsonl")
    _, found, said = measured(tmp_path / "t.jsonl", model)
    assert (found.unit, found.measure) == ("triplets", "triplets")
    assert found.columns == {"text": "anchor", "pair": "positive", "negative": "negative"}
    for row, held in enumerate(rows[:10]):
        anchor, own, other = (embedded(model, held[name]) for name in NAMES)
        pair = [cosine(anchor, own), cosine(anchor, other)]
        assert np.allclose(said.figures[row], pair, atol=1e-5)
        loss = -torch.tensor(pair).mul(SCALE).log_softmax(0)[0]
        assert said.losses()[row] == pytest.approx(float(loss), abs=1e-3)
    right = said.figures[:, 0] > said.figures[:, 1]
    assert 0 < said.metric.value() == right.mean() < 1


def test_of_pairs_the_texts_of_other_rows_stand_beside(tmp_path):
    model, rows = tagged.tiny(BertModel).eval(), write(tmp_path / "p.jsonl", ("query", "answer"))
    _, found, said = measured(tmp_path / "p.jsonl", model)
    assert (found.unit, found.measure) == ("text pairs", "retrieval")
    first = [embedded(model, row["query"]) for row in rows]
    second = [embedded(model, row["answer"]) for row in rows]
    cosines = np.array([[cosine(a, b) for b in second] for a in first])
    own = cosines.diagonal()
    losses = np.log(np.exp(SCALE * cosines).sum(1)) - SCALE * own
    assert np.allclose(said.losses(), losses, atol=1e-3)
    nearest = {row: {*np.flatnonzero(cosines[row] > own[row] - 1e-6)} for row in range(ROWS)}
    shares = [
        1 / len(near) if cosines[row].max() < own[row] + 1e-6 else 0
        for row, near in nearest.items()
    ]
    assert said.metric.value() == pytest.approx(np.mean(shares))
    assert said.first(7).figures.shape == (7, 32)


def test_a_model_that_embeds_all_texts_alike_is_right_by_chance_only():
    same = TripletOutputs(np.ones((4, 2)), np.zeros((4, 1)))
    assert same.metric.value() == 0.5
    pairs = RetrievalOutputs(np.ones((4, 2)), np.zeros((4, 1)))
    assert pairs.metric.value() == 0.25
    assert pairs.others["mean reciprocal rank"].value() == pytest.approx(1 / 2.5)
    broken = TripletOutputs(np.full((4, 2), np.nan), np.zeros((4, 1)))
    assert (broken.metric.value(), broken.finite) == (0, False)
    assert np.isnan(broken.losses()).all()


def test_the_ensemble_has_the_mean_of_the_cosines():
    random, none = np.random.default_rng(0), np.zeros((6, 1))
    two = [TripletOutputs(random.normal(size=(6, 2)), none) for _ in range(2)]
    assert np.allclose(mean_triplets(two).figures, (two[0].figures + two[1].figures) / 2)
    pairs = [RetrievalOutputs(random.normal(size=(6, 8)), none) for _ in range(2)]
    held = [next(each.choices())[0] for each in (*pairs, mean_retrieval(pairs))]
    assert np.allclose(held[2], (held[0] + held[1]) / 2)


def test_a_score_goes_before_what_belongs_together(tmp_path):
    place = tmp_path / "s.jsonl"
    rows = [row | {"score": n % 3} for n, row in enumerate(write(place, ("query", "answer")))]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, found = reading(place, tagged.tiny(BertModel), tokenizer=tagged.tokenizer())
    assert found.columns == {"text": "query", "pair": "answer", "score": "score"}


def test_pairs_that_may_be_anything_are_refused(tmp_path):
    write(tmp_path / "s.jsonl", ("sentence1", "sentence2"))
    with pytest.raises(DataError, match="no column that is clearly the label"):
        reading(tmp_path / "s.jsonl", tagged.tiny(BertModel), tokenizer=tagged.tokenizer())


def test_texts_of_other_names_are_read_where_all_three_are_named(tmp_path):
    write(tmp_path / "t.jsonl", ("a", "b", "c"))
    given = {"text": "a", "pair": "b", "negative": "c"}
    _, found, _ = measured(tmp_path / "t.jsonl", tagged.tiny(BertModel).eval(), **given)
    assert found.columns == given
    with pytest.raises(DataError, match='no column "d" of texts'):
        measured(tmp_path / "t.jsonl", tagged.tiny(BertModel), **{**given, "negative": "d"})


def test_triplets_are_reported_in_their_own_words(tmp_path):
    write(tmp_path / "t.jsonl", rows=90)
    for seed in (0, 1):
        tagged.saved(tagged.tiny(BertModel, seed), tmp_path / f"parent{seed}")
    report = merged(tmp_path, tmp_path / "t.jsonl", "--samples", "40")
    card = (tmp_path / "out" / "README.md").read_text()
    assert (report.merged.measure, report.data.unit) == ("triplets", "triplets")
    assert "|  | triplet accuracy | loss |\n" in card
    assert "cosine_accuracy" in card
    assert "triplet accuracy" in report.verdict_sentence
    assert report.contenders.ensemble.accuracy is not None
    assert report.comparisons[0].accuracy_low is not None
