"""Recordings: read as they are stored, prepared without padding, and classified or written down."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from datasets import Audio, ClassLabel, Dataset, Features, Value
from scipy.io import wavfile
from torch.nn import functional as F
from transformers import (
    ASTConfig,
    ASTFeatureExtractor,
    ASTForAudioClassification,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForCTC,
    Wav2Vec2ForSequenceClassification,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

from hubmerge.data.pictures import NOWHERE
from hubmerge.data.rows import RowSet
from hubmerge.data.sounds import SECONDS, open_sound
from hubmerge.errors import DataError
from hubmerge.evaluation.evaluate import outputs
from hubmerge.models.ctc_outputs import distance
from hubmerge.utils.untrusted import Unreadable
from hubmerge.utils.workers import Workers
from tests.helpers import tagged
from tests.helpers.measured import every_row, merged, reading, run_card

RATE = 4000
NAMES = ["high", "low"]
LABELS = {"id2label": dict(enumerate(NAMES)), "label2id": {"high": 0, "low": 1}}
ROWS = 60


def wav(samples, rate=RATE):
    place = io.BytesIO()
    wavfile.write(place, rate, samples)
    return place.getvalue()


def stored(place, sounds, **columns):
    """Recordings as the Hub's data sets hold them, and other columns: name -> (type, values)."""
    kept = {"bytes": Value("binary"), "path": Value("string")}
    types = Features({"audio": kept, **{name: kind for name, (kind, _) in columns.items()}})
    rows = {"audio": [{"bytes": sound, "path": None} for sound in sounds]}
    rows |= {name: values for name, (_, values) in columns.items()}
    data = Dataset.from_dict(rows, features=types).cast_column("audio", Audio(decode=False))
    data.save_to_disk(str(place))
    return place


def tone(row):
    """A tenth of a second or a little more, of one of two pitches."""
    length = 400 + 40 * (row % 3)
    return np.sin(np.arange(length) * (0.3 if row % 2 else 0.9)).astype(np.float32) * 0.5


def wav2vec2(seed=0):
    torch.manual_seed(seed)
    config = Wav2Vec2Config(
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=24,
        conv_dim=(8, 8),
        conv_kernel=(10, 4),
        conv_stride=(5, 4),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        classifier_proj_size=8,
        vocab_size=8,
        **LABELS,
    )
    return Wav2Vec2ForSequenceClassification(config).eval()


def ast(seed=0):
    torch.manual_seed(seed)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = ASTConfig(**sizes, intermediate_size=24, max_length=32, num_mel_bins=16, **LABELS)
    return ASTForAudioClassification(config).eval()


def whisper(seed=0):
    torch.manual_seed(seed)
    sizes = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1}
    sizes |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
    sizes |= {"encoder_ffn_dim": 24, "decoder_ffn_dim": 24}
    config = WhisperConfig(
        vocab_size=len(tagged.PIECES),
        num_mel_bins=8,
        max_source_positions=50,
        max_target_positions=40,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=2,
        suppress_tokens=None,
        begin_suppress_tokens=None,
        **sizes,
    )
    return WhisperForConditionalGeneration(config).eval()


def listener(seed=0):
    torch.manual_seed(seed)
    config = wav2vec2().config.to_dict() | {"vocab_size": len(tagged.PIECES), "pad_token_id": 0}
    return Wav2Vec2ForCTC(Wav2Vec2Config(**config)).eval()


EXTRACTORS = {
    listener: lambda: Wav2Vec2FeatureExtractor(sampling_rate=16_000, return_attention_mask=False),
    wav2vec2: lambda: Wav2Vec2FeatureExtractor(sampling_rate=RATE, return_attention_mask=False),
    ast: lambda: ASTFeatureExtractor(sampling_rate=16_000, num_mel_bins=16, max_length=32),
    whisper: lambda: WhisperFeatureExtractor(
        feature_size=8, sampling_rate=16_000, chunk_length=1, n_fft=400, hop_length=160
    ),
}


@pytest.fixture(scope="module")
def tones(tmp_path_factory):
    labels = (ClassLabel(names=NAMES[::-1]), [n % 2 for n in range(ROWS)])
    place = tmp_path_factory.mktemp("tones") / "data"
    return stored(place, [wav(tone(n)) for n in range(ROWS)], label=labels)


@pytest.mark.parametrize("build", [wav2vec2, ast])
def test_recordings_are_classified_one_as_by_itself(tones, build):
    model, extractor = build(), EXTRACTORS[build]()
    data, found = reading(tones, model, processor=extractor)
    batches = every_row(data, found)
    assert len(batches) == (3 if build is wav2vec2 else 1)
    measured = outputs(model, batches, Workers(threads=1))
    rate = extractor.sampling_rate
    for row in range(5):
        sound = open_sound({"bytes": wav(tone(row))}, NOWHERE, rate)
        with torch.no_grad():
            given = extractor(sound, sampling_rate=rate, return_tensors="pt")
            expected = model(**given).logits[0]
        assert np.allclose(measured.logits[row], expected.numpy(), atol=1e-4)
    assert measured.labels.tolist() == [1 - n % 2 for n in range(ROWS)]


def test_what_is_said_is_asked_token_by_token(tmp_path):
    texts = [" ".join(tagged.sentence(n)[0]) for n in range(ROWS)]
    sounds = [wav(tone(n), 16_000) for n in range(ROWS)]
    stored(tmp_path / "data", sounds, sentence=(Value("string"), texts))
    model, extractor, cut = whisper(), EXTRACTORS[whisper](), tagged.tokenizer()
    given = {"processor": extractor, "tokenizer": cut, "tokens": 12}
    data, found = reading(tmp_path / "data", model, **given)
    assert found.columns == {"audio": "audio", "text": "sentence"}
    measured = outputs(model, every_row(data, found), Workers(threads=1))
    losses, count = 0.0, 0
    for row in range(ROWS):
        inputs = extractor(tone(row), sampling_rate=16_000, return_tensors="pt")
        wanted = cut(text_target=texts[row], return_tensors="pt")["input_ids"]
        with torch.no_grad():
            logits = model(input_features=inputs["input_features"], labels=wanted).logits[0]
        losses += float(F.cross_entropy(logits, wanted[0], reduction="sum"))
        count += len(wanted[0])
    assert measured.losses().mean() == pytest.approx(losses / count, rel=1e-4)
    looked_at = found.batches(RowSet(data.split, tuple(range(20)), ROWS), False)
    model(**looked_at[0].inputs)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    place = tmp_path_factory.mktemp("spoken") / "data"
    texts = [tagged.sentence(n)[0][1] for n in range(ROWS)]
    sounds = [wav(np.tile(tone(n), 2), 16_000) for n in range(ROWS)]
    return stored(place, sounds, text=(Value("string"), texts))


def test_pieces_are_scored_as_transformers_and_by_their_errors(spoken):
    model, cut = listener(), tagged.tokenizer()
    extractor = EXTRACTORS[listener]()
    data, found = reading(spoken, model, processor=extractor, tokenizer=cut)
    measured = outputs(model, every_row(data, found), Workers(threads=1))
    losses, tokens, errors = 0.0, 0, 0
    for row in range(ROWS):
        sound = np.tile(tone(row), 2)
        inputs = extractor(sound, sampling_rate=16_000, return_tensors="pt")
        wanted = cut(text_target=tagged.sentence(row)[0][1], return_tensors="pt")["input_ids"]
        model.config.ctc_loss_reduction = "sum"
        with torch.no_grad():
            said = model(**inputs, labels=wanted)
        losses, tokens = losses + float(said.loss), tokens + wanted.shape[1]
        line = said.logits[0].argmax(-1).tolist()
        kept = [t for k, t in enumerate(line) if t != 0 and (k == 0 or t != line[k - 1])]
        errors += distance(kept, wanted[0].tolist())
    assert measured.losses().mean() == pytest.approx(losses / tokens, rel=1e-4)
    assert measured.metric.value() == pytest.approx(1 - errors / tokens)
    assert measured.metric.rows is None


@pytest.mark.parametrize(
    ("said", "wanted", "errors"),
    [("", "", 0), ("", "abc", 3), ("abc", "", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2)],
)
def test_errors_are_the_fewest_changes(said, wanted, errors):
    assert distance([*map(ord, said)], [*map(ord, wanted)]) == errors


def test_sounds_are_read_as_they_are_stored():
    steps = np.array([-32768, 0, 16384, 32767], np.int16)
    found = open_sound({"bytes": wav(steps)}, NOWHERE, RATE)
    assert np.allclose(found, [-1, 0, 0.5, 1], atol=1e-4)
    stereo = np.stack([steps, -(steps // 2)], 1)
    found = open_sound({"bytes": wav(stereo)}, NOWHERE, RATE)
    assert np.allclose(found, [-0.25, 0, 0.125, 0.25], atol=1e-4)
    array = {"array": tone(0).tolist(), "sampling_rate": RATE}
    assert np.allclose(open_sound(array, NOWHERE, RATE), tone(0))
    assert len(open_sound(array, NOWHERE, 2 * RATE)) == 2 * len(tone(0))
    for both in (np.stack([tone(0), tone(0) / 2]), np.stack([tone(0), tone(0) / 2], 1)):
        array = {"array": both.tolist(), "sampling_rate": RATE}  # as decoders give it, or as files
        assert np.allclose(open_sound(array, NOWHERE, RATE), tone(0) * 0.75)
    long = np.zeros((SECONDS + 5) * RATE, np.int16)
    assert len(open_sound({"bytes": wav(long)}, NOWHERE, RATE)) == SECONDS * RATE


@pytest.mark.parametrize(
    "cell",
    [
        None,
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": None, "path": None},
        {"array": [0.0, 1.0], "sampling_rate": 3},
        {"array": [], "sampling_rate": RATE},
        {"array": [float("nan")], "sampling_rate": RATE},
        {"array": [0, 16384, -32768], "sampling_rate": RATE},
        {"array": [[0.0, 1.0], [0.5, 0.0]], "sampling_rate": RATE},
        {"array": [[[0.0]]], "sampling_rate": RATE},
    ],
)
def test_what_is_no_sound_is_refused(cell):
    with pytest.raises(Unreadable):
        open_sound(cell, NOWHERE, RATE)


def test_a_damaged_row_is_named(tmp_path):
    sounds = [wav(tone(0)) if n != 7 else b"RIFF of nothing" for n in range(20)]
    stored(tmp_path / "d", sounds, label=(ClassLabel(names=NAMES), [n % 2 for n in range(20)]))
    data, found = reading(tmp_path / "d", wav2vec2(), processor=EXTRACTORS[wav2vec2]())
    with pytest.raises(DataError, match="row 7"):
        every_row(data, found)
    with pytest.raises(DataError, match="no feature extractor"):
        reading(tmp_path / "d", wav2vec2())


@pytest.mark.slow
def test_a_merge_that_says_pieces_is_measured(spoken, tmp_path):
    for seed in (0, 1):
        tagged.saved(listener(seed), tmp_path / f"parent{seed}")
        EXTRACTORS[listener]().save_pretrained(tmp_path / f"parent{seed}")
    report = merged(tmp_path, spoken)
    assert report.merged.task == "speech-recognition-ctc"
    assert report.contenders.ensemble.loss is None
    assert report.barrier.naive is not None


@pytest.mark.slow
@pytest.mark.parametrize("build", [wav2vec2, ast])
def test_a_merge_of_classifiers_is_measured_and_its_card_runs(tones, build, tmp_path):
    for seed in (0, 1):
        build(seed).save_pretrained(tmp_path / f"parent{seed}")
        EXTRACTORS[build]().save_pretrained(tmp_path / f"parent{seed}")
    report = merged(tmp_path, tones)
    assert (report.merged.task, report.data.unit) == ("audio-classification", "recordings")
    assert report.contenders.merge.loss is not None
    if build is ast:
        run_card(report, tmp_path / "out")
