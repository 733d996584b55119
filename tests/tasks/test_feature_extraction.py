"""Models that embed texts: pairs against scores, pooled as the model's own modules say."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from transformers import BertModel

from hubmerge.data.rows import RowSet
from hubmerge.data.sentence_modules import SentenceModules, read_modules
from hubmerge.errors import DataError, MismatchError, WeightsError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.hub.compare import check_mergeable
from hubmerge.hub.load import load
from hubmerge.models.pooling import WAYS, pooled
from hubmerge.models.similarity_outputs import SimilarityOutputs
from hubmerge.utils.workers import Workers
from hubmerge.verification.result import Outcome
from hubmerge.verification.verify import verify
from tests.helpers import tagged
from tests.helpers.measured import every_row, merged, reading, run_card

ROWS = 90
MODULES = [
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {
        "idx": 2,
        "name": "2",
        "path": "2_Normalize",
        "type": "sentence_transformers.models.Normalize",
    },
]


def text(row):
    return " ".join(tagged.sentence(row)[0])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    place = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    rows = [
        {"sentence1": text(n), "sentence2": text(n * 5 + 1), "score": (n * 7) % 11 / 2}
        for n in range(ROWS)
    ]
    place.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def sentence_model(folder, seed=0, pooling="cls_token", modules=MODULES):
    tagged.saved(tagged.tiny(BertModel, seed), folder)
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    said = {"word_embedding_dimension": 16, f"pooling_mode_{pooling}": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    settings = {"prompts": {"query": "the "}, "default_prompt_name": None}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 6}))
    return folder


def test_pairs_are_measured_by_their_cosines(pairs, tmp_path):
    folder = sentence_model(tmp_path / "model")
    model, cut = BertModel.from_pretrained(folder).eval(), tagged.tokenizer()
    data, found = reading(pairs, model, tokenizer=cut, folder=folder)
    batches = every_row(data, found)
    assert found.unit == "text pairs"
    assert found.columns == {"text": "sentence1", "pair": "sentence2", "score": "score"}
    cosines, scores = [], []
    for row in range(ROWS):
        both = []
        for said in (text(row), text(row * 5 + 1)):
            given = cut(said, truncation=True, max_length=6, return_tensors="pt")
            with torch.no_grad():
                both.append(model(**given).last_hidden_state[0, 0])
        cosines.append(float(torch.cosine_similarity(*both, dim=0)))
        scores.append((row * 7) % 11 / 2)
    measured = outputs(model, batches, Workers(threads=1))
    assert np.allclose(measured.cosines, cosines, atol=1e-5)
    assert measured.metric.value() == pytest.approx(spearmanr(cosines, scores)[0], abs=1e-3)
    looked_at = found.batches(RowSet(data.split, (0, 1, 2, 3), ROWS), False)
    shown = {
        tuple(ids)
        for k in range(len(looked_at))
        for ids in looked_at[k].inputs["input_ids"].tolist()
    }
    wanted = [text(0), text(1 * 5 + 1), text(2), text(3 * 5 + 1)]
    expected = cut(wanted, truncation=True, max_length=6)["input_ids"]
    assert shown == {tuple(ids) for ids in expected}


def test_the_loss_is_what_spearman_lacks_where_no_ranks_are_shared():
    random = np.random.default_rng(0)
    found = SimilarityOutputs(random.normal(size=50), random.normal(size=50))
    assert 1 - found.losses().mean() == pytest.approx(found.metric.value())
    assert np.isnan(SimilarityOutputs(np.full(4, np.nan), np.arange(4.0)).losses()).all()


def test_every_way_of_pooling_is_known():
    states = torch.arange(24.0).view(2, 3, 4)
    expected = {
        "cls_token": states[:, 0],
        "max_tokens": states[:, 2],
        "mean_tokens": states[:, 1],
        "mean_sqrt_len_tokens": states.sum(1) / 3**0.5,
        "weightedmean_tokens": (states[:, 0] + 2 * states[:, 1] + 3 * states[:, 2]) / 6,
        "lasttoken": states[:, 2],
    }
    assert {*WAYS} == {*expected}
    for way, wanted in expected.items():
        assert torch.allclose(pooled(states, [way]), wanted)
    assert pooled(states, ["cls_token", "lasttoken"]).shape == (2, 8)


@pytest.mark.parametrize("lower", [False, True])
def test_the_tokenizer_says_how_long_texts_are_where_the_modules_do_not(lower, tmp_path):
    """As sentence-transformers 6 writes them."""
    rows = [{"sentence1": text(n).upper(), "sentence2": text(n), "score": n} for n in range(9)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    folder = sentence_model(tmp_path / "model")
    (folder / "sentence_bert_config.json").write_text(json.dumps({"do_lower_case": lower}))
    cut = tagged.tokenizer()
    cut.model_max_length = 5
    cut.backend_tokenizer.normalizer = None
    model = BertModel.from_pretrained(folder).eval()
    _, found = reading(tmp_path / "t.jsonl", model, tokenizer=cut, folder=folder, tokens=9)
    assert "the first 5 tokens" in found.notes[0]
    given = every_row(*reading(tmp_path / "t.jsonl", model, tokenizer=cut, folder=folder))
    shown = {tuple(ids) for k in range(len(given)) for ids in given[k].inputs["input_ids"].tolist()}
    said = [text(n) if lower else text(n).upper() for n in range(9)]
    assert shown == {tuple(cut(each, truncation=True)["input_ids"]) for each in said}


def test_what_the_modules_say_is_read(tmp_path):
    assert read_modules(tmp_path, "me/bare") == SentenceModules()
    folder = sentence_model(tmp_path / "model", pooling="mean_tokens")
    settings = {"prompts": {"query": "the "}, "default_prompt_name": "query"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(settings))
    expected = SentenceModules(("mean_tokens",), 6, "the ", given=True)
    assert read_modules(folder, "me/model") == expected
    (folder / "sentence_bert_config.json").write_text('{"do_lower_case": true}')
    expected = SentenceModules(("mean_tokens",), None, "the ", lower=True, given=True)
    assert read_modules(folder, "me/model") == expected
    said = {"pooling_mode": "mean", "include_prompt": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(said))
    with pytest.raises(WeightsError, match="tokens of its prompt are left out"):
        read_modules(folder, "me/model")
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_odd": True}))
    with pytest.raises(WeightsError, match="pooling odd"):
        read_modules(folder, "me/model")


def test_models_that_embed_differently_do_not_merge(tmp_path):
    a = load(str(sentence_model(tmp_path / "a")))
    b = load(str(sentence_model(tmp_path / "b", 1, "mean_tokens")))
    with pytest.raises(MismatchError, match=r"pool tokens differently(.|\n)*mean_tokens"):
        check_mergeable(a, b)
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    dense = {"path": "3_Dense", "type": "sentence_transformers.models.Dense"}
    (tmp_path / "c" / "modules.json").write_text(json.dumps([*MODULES, dense]))
    with pytest.raises(WeightsError, match="3_Dense"):
        check_mergeable(a, load(str(tmp_path / "c")))
    bare = load(str(tagged.saved(tagged.tiny(BertModel), tmp_path / "bare")))
    with pytest.raises(MismatchError, match="different modules"):
        check_mergeable(a, bare)


def test_texts_without_pairs_are_refused(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"text": "the cat", "score": 1.0}\n' * 40)
    with pytest.raises(DataError, match="no pairs of texts"):
        reading(tmp_path / "t.jsonl", tagged.tiny(BertModel), tokenizer=tagged.tokenizer())


def test_a_sentence_transformers_repository_stays_one(pairs, tmp_path):
    for seed in (0, 1):
        sentence_model(tmp_path / f"parent{seed}", seed)
    report = merged(tmp_path, pairs, "--samples", "40")
    out = tmp_path / "out"
    for name in (
        "modules.json",
        "1_Pooling/config.json",
        "config_sentence_transformers.json",
        "sentence_bert_config.json",
    ):
        assert (out / name).read_bytes() == (tmp_path / "parent0" / name).read_bytes()
    card = (out / "README.md").read_text()
    assert "library_name: sentence-transformers" in card
    assert "pipeline_tag: sentence-similarity" in card
    assert "|  | Spearman correlation | Pearson correlation | rank error |\n" in card
    assert report.contenders.ensemble.accuracy is not None
    assert not any("does not have" in limit for limit in report.limits)
    run_card(report, out)
    assert "SentenceTransformer(name).encode" in card
    assert "mean(1)" not in card  # it takes the first token's state
    assert verify(str(out), level="load").outcome is Outcome.IDENTICAL
    (out / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    assert any(
        check.what == "1_Pooling/config.json.pooling_mode_mean_tokens"
        for check in verify(str(out), level="load").of(Outcome.DOES_NOT_HOLD)
    )
