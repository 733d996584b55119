"""Encoder-decoders that say a text, and models that find an answer in one."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, Translation, Value
from tokenizers.processors import TemplateProcessing
from torch.nn import functional as F
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    BertForQuestionAnswering,
    T5Config,
    T5ForConditionalGeneration,
)

from hubmerge.data.data_columns import DataColumns
from hubmerge.data.dataset import open_data
from hubmerge.data.rows import RowSet
from hubmerge.errors import DataError, LabelError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.tasks import find_task, task_of
from hubmerge.utils.workers import Workers
from tests.helpers import tagged
from tests.helpers.measured import every_row, merged, reading, run_card

ROWS = 90
IDS = {"pad_token_id": 0, "eos_token_id": 3, "bos_token_id": 2, "decoder_start_token_id": 0}


def t5(seed=0):
    torch.manual_seed(seed)
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 1, "num_heads": 2}
    config = T5Config(vocab_size=len(tagged.PIECES), **sizes, **IDS, dropout_rate=0.0)
    return T5ForConditionalGeneration(config).eval()


def bart(seed=0):
    torch.manual_seed(seed)
    sizes = {"d_model": 16, "encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    sizes |= {"encoder_layers": 1, "decoder_layers": 1}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = BartConfig(vocab_size=len(tagged.PIECES), max_position_embeddings=20, **sizes, **IDS)
    return BartForConditionalGeneration(config).eval()


def text(row):
    return " ".join(tagged.sentence(row)[0])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    place = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [{"document": text(n), "summary": text(n * 3 + 1)} for n in range(ROWS)]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.mark.parametrize("build", [t5, bart])
def test_every_token_of_a_target_is_asked_given_those_before(pairs, build):
    model, cut = build(), tagged.tokenizer()
    data, found = reading(pairs, model, tokenizer=cut)
    batches = every_row(data, found)
    assert found.columns == {"source": "document", "target": "summary"}
    assert max(batches.sizes) > 1
    measured = outputs(model, batches, Workers(threads=1))
    losses, right = [], []
    for row in range(ROWS):
        source = cut(text(row), return_tensors="pt")
        target = cut(text_target=text(row * 3 + 1), return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(
                input_ids=source["input_ids"],
                attention_mask=source["attention_mask"],
                labels=target,
            ).logits[0]
        losses.append(float(F.cross_entropy(logits, target[0], reduction="sum")))
        right += (logits.argmax(-1) == target[0]).tolist()
    assert measured.losses().mean() == pytest.approx(sum(losses) / len(right), rel=1e-5)
    assert measured.metric.value() == pytest.approx(np.mean(right))
    looked_at = found.batches(RowSet(data.split, tuple(range(40)), ROWS), False)
    assert looked_at.labels is None
    for k in range(len(looked_at)):
        inputs = looked_at[k].inputs
        assert (inputs["decoder_input_ids"][:, 1:] != 0).all()  # nothing behind the end of any


def test_a_translation_is_two_columns(tmp_path):
    types = Features({"translation": Translation(["de", "en"]), "id": Value("string")})
    rows = [{"translation": {"de": text(n), "en": text(n + 1)}, "id": "x"} for n in range(20)]
    Dataset.from_list(rows, features=types).save_to_disk(str(tmp_path / "d"))
    task = find_task("text2text-generation")
    given = {"inputs": task.inputs, "answers": task.measures[0].answers}
    with pytest.raises(DataError, match=r"translation\.de: string"):
        open_data(tmp_path / "d", ref="me/d", columns=DataColumns(**given))
    columns = {"text": "translation.en", "label": "translation.de"}
    data = open_data(tmp_path / "d", ref="me/d", columns=DataColumns(**given, **columns))
    assert data.splits[data.split]["translation.en"][0] == text(1)


@pytest.mark.slow
def test_a_merge_of_encoder_decoders_is_measured_and_its_card_runs(pairs, tmp_path):
    for seed in (0, 1):
        tagged.saved(t5(seed), tmp_path / f"parent{seed}")
    report = merged(tmp_path, pairs, "--samples", "40")
    assert (report.merged.task, report.n) == ("text2text-generation", 40)
    assert report.contenders.ensemble.loss is not None
    assert "| token accuracy | perplexity |" in (tmp_path / "out" / "README.md").read_text()
    run_card(report, tmp_path / "out")


def finder(seed=0):
    return tagged.tiny(BertForQuestionAnswering, seed)


def question(row, longer=0):
    """A row as SQuAD has them: which word it is, two answers, or none."""
    words = ["the"] * longer + tagged.sentence(row)[0]
    said = " ".join(words)
    first = " ".join(words[longer + 1 : longer + 3])
    texts = [first, words[longer + 2]] if row % 4 else []
    return {
        "question": "a cat",
        "context": said,
        "answers": {"text": texts, "answer_start": [said.index(each) for each in texts]},
    }


def write(place, rows):
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def test_answers_are_tokens_of_the_text(tmp_path):
    place = write(tmp_path / "q.jsonl", [question(n) for n in range(ROWS)])
    model, cut = finder(), tagged.tokenizer()
    data, found = reading(place, model, tokenizer=cut, tokens=14)
    measured = outputs(model, every_row(data, found), Workers(threads=1))
    losses, exact = [], []
    for row in range(ROWS):
        given = question(row)
        encoded = cut(given["question"], given["context"], return_tensors="pt")
        whole = cut.convert_ids_to_tokens(encoded["input_ids"][0])
        with torch.no_grad():
            said = model(**encoded)
        spans = []
        for answer in given["answers"]["text"]:
            pieces = cut.tokenize(answer)
            starts = [
                k for k in range(len(whole)) if whole[k : k + len(pieces)] == pieces and k > 3
            ]
            spans.append((starts[0], starts[0] + len(pieces) - 1))
        spans = spans or [(0, 0)]
        ends = torch.stack([said.start_logits, said.end_logits], 1)[0]
        losses.append(float(F.cross_entropy(ends, torch.tensor(spans[0]))))
        best = max(
            ((a, b) for a in range(len(whole)) for b in range(a, len(whole))),
            key=lambda span: float(ends[0, span[0]] + ends[1, span[1]]),
        )
        exact.append(best in spans)
    assert measured.losses().mean() == pytest.approx(np.mean(losses), rel=1e-5)
    assert measured.metric.value() == np.mean(exact)


def test_a_long_text_is_read_where_its_answer_is(tmp_path):
    rows = [question(n, longer=12) for n in range(1, 40) if n % 4]
    place = write(tmp_path / "q.jsonl", rows)
    cut = tagged.tokenizer()
    data, found = reading(place, finder(), tokenizer=cut, tokens=12)
    batches = every_row(data, found)
    first = batches.places[0][0]
    ids = batches[0].inputs["input_ids"][0]
    assert len(ids) <= 12
    start, end = batches.labels[first, 0].tolist()
    answer = cut.decode(ids[start : end + 1]).replace(" ##", "")
    assert answer == rows[first]["answers"]["text"][0]


def test_answers_are_read_however_they_are_written(tmp_path):
    """Structs of lists, lists of structs, single ones; none at all, or one without a text."""
    rows = [question(n) for n in range(ROWS)]

    def labels(name, answers):
        said = [
            row | {"answers": answers(row["answers"])} for row in rows if row["answers"]["text"]
        ]
        data, found = reading(write(tmp_path / name, said), finder(), tokenizer=tagged.tokenizer())
        return every_row(data, found).labels

    def one(given):
        return {name: values[0] for name, values in given.items()}

    wanted = labels("lists.jsonl", lambda given: given)
    structs = labels(
        "structs.jsonl",
        lambda given: [
            {"text": text, "answer_start": start}
            for text, start in zip(given["text"], given["answer_start"], strict=True)
        ],
    )
    assert structs.tolist() == wanted.tolist()
    assert labels("single.jsonl", one)[:, 0].tolist() == wanted[:, 0].tolist()
    nothing = labels("empty.jsonl", lambda given: {"text": [""], "answer_start": [-1]})
    assert not nothing[:, 0].any()


def test_a_question_leaves_room_for_the_text(tmp_path):
    rows = [question(n) | {"question": "the cat sees a mouse " * 9} for n in range(1, 30)]
    cut, place = tagged.tokenizer(), write(tmp_path / "q.jsonl", rows)
    data, found = reading(place, finder(), tokenizer=cut)
    batches = every_row(data, found)
    assert "14 tokens at most, the question 5 of them" in found.notes[0]
    ids = batches[0].inputs["input_ids"][0].tolist()
    assert ids.index(cut.sep_token_id) == 6
    assert len(ids) > 9
    with pytest.raises(DataError, match="too few for a question and a text"):
        reading(place, finder(), tokenizer=cut, tokens=8)


def test_no_answer_is_the_token_of_the_whole_row(tmp_path):
    """Wherever it stands: the tokenizers of some models put it last."""
    cut = tagged.tokenizer()
    cut.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A [SEP] [CLS]",
        pair="$A [SEP] $B:1 [SEP]:1 [CLS]",
        special_tokens=[("[CLS]", cut.cls_token_id), ("[SEP]", cut.sep_token_id)],
    )
    data, found = reading(
        write(tmp_path / "q.jsonl", [question(4 * n) for n in range(30)]), finder(), tokenizer=cut
    )
    batches = every_row(data, found)
    for k in range(len(batches)):
        ids = batches[k].inputs["input_ids"]
        assert (batches.labels[list(batches.places[k]), 0] == ids.shape[1] - 1).all()


@pytest.mark.parametrize("starts", [[500, 501], [2, 5], [None, None]])
def test_answers_that_are_not_in_the_text_are_refused(starts, tmp_path):
    """Nor anything else where they are said to be, which would be measured as the answer."""
    rows = [question(1) for _ in range(20)]
    rows[3]["answers"]["answer_start"] = starts
    place = write(tmp_path / "q.jsonl", rows)
    data, found = reading(place, finder(), tokenizer=tagged.tokenizer())
    with pytest.raises(LabelError, match="row 3"):
        every_row(data, found)


@pytest.mark.slow
def test_a_merge_that_answers_questions_is_measured_and_its_card_runs(tmp_path):
    place = write(tmp_path / "q.jsonl", [question(n) for n in range(ROWS)])
    for seed in (0, 1):
        tagged.saved(finder(seed), tmp_path / f"parent{seed}")
    report = merged(tmp_path, place, "--samples", "40")
    assert report.merged.task == "question-answering"
    assert report.contenders.ensemble.accuracy is not None
    assert "|  | exact match | token F1 | loss |" in (tmp_path / "out" / "README.md").read_text()
    run_card(report, tmp_path / "out")


def test_encoder_decoders_are_no_language_models():
    config = t5().config
    config.architectures = ["T5ForConditionalGeneration"]
    assert task_of(config).name == "text2text-generation"
