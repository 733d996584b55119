"""Tags of words and hidden tokens: what is asked, row by row, and what is counted."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import BertForMaskedLM, BertForTokenClassification

from hubmerge.data.masked_rows import SHARE, hidden_places
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError, LabelError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.models.tag_outputs import TagStatistics, entities
from hubmerge.models.token_outputs import IGNORED
from hubmerge.utils.workers import Workers
from tests.helpers import tagged, texts
from tests.helpers.measured import every_row, merged, reading, run_card

NAMES = dict(enumerate(tagged.TAGS))
LABELS = {"id2label": NAMES, "label2id": {name: index for index, name in NAMES.items()}}
ROWS = 90


def tagger(seed=0):
    return tagged.tiny(BertForTokenClassification, seed, **LABELS)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return tagged.write(tmp_path_factory.mktemp("words") / "words.jsonl", ROWS)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return tagged.write(tmp_path_factory.mktemp("texts") / "texts.jsonl", ROWS, text=True)


def test_the_first_token_of_a_word_is_asked_for_its_tag(words):
    model, cut = tagger(), tagged.tokenizer()
    data, found = reading(words, model, tokenizer=cut)
    batches = every_row(data, found)
    assert found.columns == {"words": "tokens", "tags": "ner_tags"}
    assert max(batches.sizes) > 1
    measured = outputs(model, batches, Workers(threads=1))
    right, counts, losses = [], [], []
    for row in range(ROWS):
        given, tags = tagged.sentence(row)
        encoded = cut(given, is_split_into_words=True, return_tensors="pt")
        owners = encoded.word_ids(0)
        begins = [owners.index(number) for number in range(len(given))]
        with torch.no_grad():
            logits = model(**encoded).logits[0, begins]
        wanted = torch.tensor([tagged.TAGS.index(tag) for tag in tags])
        losses.append(F.cross_entropy(logits, wanted, reduction="sum"))
        said = [tagged.TAGS[n] for n in logits.argmax(-1).tolist()]
        right += [s == t for s, t in zip(said, tags, strict=True)]
        ours, theirs = {*entities(said)}, {*entities(tags)}
        counts.append([len(ours & theirs), len(ours), len(theirs)])
    hits, ours, theirs = np.sum(counts, axis=0)
    assert measured.metric.value() == pytest.approx(np.mean(right))
    assert measured.losses().mean() == pytest.approx(float(sum(losses)) / len(right), rel=1e-5)
    assert measured.others["entity F1"].value() == pytest.approx(2 * hits / (ours + theirs))
    assert (measured.first(5).counts == np.array(counts)[:5]).all()


@pytest.mark.parametrize("numbers", [True, False])
def test_a_word_without_a_tag_is_asked_for_nothing(numbers, tmp_path):
    def tags(row):
        said = tagged.sentence(row)[1]
        kept = [tag if (row + k) % 3 and row else None for k, tag in enumerate(said)]
        return (
            [-100 if tag is None else tagged.TAGS.index(tag) for tag in kept] if numbers else kept
        )

    rows = [{"tokens": tagged.sentence(n)[0], "ner_tags": tags(n)} for n in range(ROWS)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model, cut = tagger(), tagged.tokenizer()
    data, found = reading(tmp_path / "t.jsonl", model, tokenizer=cut)
    measured = outputs(model, every_row(data, found), Workers(threads=1))
    right = []
    for row in rows[1:]:  # nothing is asked of the first
        encoded = cut(row["tokens"], is_split_into_words=True, return_tensors="pt")
        owners = encoded.word_ids(0)
        with torch.no_grad():
            said = model(**encoded).logits[0].argmax(-1).tolist()
        right += [
            said[owners.index(k)] == (tag if numbers else tagged.TAGS.index(tag))
            for k, tag in enumerate(row["ner_tags"])
            if tag not in (None, -100)
        ]
    assert measured.metric.value() == pytest.approx(np.mean(right))
    words = sum(len(row["tokens"]) for row in rows)
    assert f"{1 - len(right) / words:.1%} of the words have none" in found.notes[-1]
    assert not measured.counts[0].any()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-PER I-PER O B-LOC", [("PER", 0, 1), ("LOC", 3, 3)]),
        ("I-PER I-PER I-LOC", [("PER", 0, 1), ("LOC", 2, 2)]),
        ("B-PER B-PER I-PER", [("PER", 0, 0), ("PER", 1, 2)]),
        ("S-PER B-LOC I-LOC E-LOC I-LOC", [("PER", 0, 0), ("LOC", 1, 3), ("LOC", 4, 4)]),
        ("O I-A-B I-A-B", [("A-B", 1, 2)]),
        ("E-PER E-PER O", [("PER", 0, 0), ("PER", 1, 1)]),
        ("O O", []),
    ],
)
def test_entities_are_those_of_conlleval(tags, expected):
    assert list(entities(tags.split())) == expected


def test_tags_that_make_no_entities_have_no_f1():
    assert not TagStatistics(("NOUN", "VERB")).has_entities
    assert TagStatistics(("O", "B-X", "I-X")).has_entities


def test_tags_that_do_not_fit_are_refused(tmp_path):
    rows = '{"tokens": ["the", "cat"], "tags": ["O"]}\n' * 40
    (tmp_path / "short.jsonl").write_text(rows)
    data, found = reading(tmp_path / "short.jsonl", tagger(), tokenizer=tagged.tokenizer())
    with pytest.raises(LabelError, match=r"no tag for each word(.|\n)*2 words, 1 tags"):
        every_row(data, found)
    (tmp_path / "other.jsonl").write_text(rows.replace('["O"]', '["O", "B-AGE"]'))
    with pytest.raises(LabelError, match="B-AGE"):
        reading(tmp_path / "other.jsonl", tagger(), tokenizer=tagged.tokenizer())
    (tmp_path / "text.jsonl").write_text('{"text": "the cat", "tags": ["O", "O"]}\n' * 40)
    with pytest.raises(DataError, match="no column that is clearly the words"):
        reading(tmp_path / "text.jsonl", tagger(), tokenizer=tagged.tokenizer())


def test_hidden_tokens_are_the_same_for_all_and_found_by_nothing_but_the_rest(plain):
    model, cut = tagged.tiny(BertForMaskedLM), tagged.tokenizer()
    data, found = reading(plain, model, tokenizer=cut)
    batches = every_row(data, found)
    measured = outputs(model, batches, Workers(threads=1))
    losses, right = [], []
    for row in range(ROWS):
        ids = cut(" ".join(tagged.sentence(row)[0]), return_tensors="pt")["input_ids"]
        special = [token in cut.all_special_ids for token in ids[0].tolist()]
        places = hidden_places(~np.array(special), row)
        assert len(places) == max(1, round(SHARE * (len(special) - 2)))
        masked = ids.clone()
        masked[0, places] = cut.mask_token_id
        with torch.no_grad():
            logits = model(input_ids=masked).logits[0, places]
        losses.append(F.cross_entropy(logits, ids[0, places], reduction="sum"))
        right += (logits.argmax(-1) == ids[0, places]).tolist()
        asked = (measured.labels[row] != IGNORED).nonzero()[0]
        assert asked.tolist() == places.tolist()
    assert measured.losses().mean() == pytest.approx(float(sum(losses)) / len(right), rel=1e-5)
    assert measured.metric.value() == pytest.approx(np.mean(right))
    looked_at = found.batches(RowSet(data.split, (3,), ROWS), False)
    assert looked_at.labels is None
    assert cut.mask_token_id in looked_at[0].inputs["input_ids"][0]


def test_a_tokenizer_without_a_mask_hides_nothing(plain):
    with pytest.raises(DataError, match="no mask token"):
        reading(plain, tagged.tiny(BertForMaskedLM), tokenizer=texts.tokenizer())


def test_tags_are_reported_in_their_words_and_the_card_runs(words, tmp_path):
    for seed in (0, 1):
        tagged.saved(tagger(seed), tmp_path / f"parent{seed}")
    report = merged(tmp_path, words)
    card = (tmp_path / "out" / "README.md").read_text()
    assert report.merged.task == "token-classification"
    assert report.merged.labels == tagged.TAGS
    assert "|  | word accuracy | entity F1 | loss | calibrated loss | calibration error |" in card
    assert report.contenders.merge.scores["entity F1"].low is not None
    assert report.contenders.ensemble.loss is not None
    names = run_card(report, tmp_path / "out")
    assert len(names["tags"]) == len(names["tokens"])


@pytest.mark.slow
def test_hidden_tokens_are_reported_in_their_words_and_the_card_runs(plain, tmp_path):
    for seed in (0, 1):
        tagged.saved(tagged.tiny(BertForMaskedLM, seed), tmp_path / f"parent{seed}")
    report = merged(tmp_path, plain)
    card = (tmp_path / "out" / "README.md").read_text()
    assert report.merged.task == "fill-mask"
    assert "|  | masked-token accuracy | pseudo-perplexity | calibrated pseudo-perplexity |" in card
    assert "masked at once" in report.data.notes[-1]
    run_card(report, tmp_path / "out")
