"""What is kept of logits over a vocabulary says what the logits would have said."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import GPT2Config, GPT2LMHeadModel

from hubmerge.data.batches import Batches
from hubmerge.data.texts import IGNORED
from hubmerge.evaluation.comparison import compare
from hubmerge.evaluation.evaluate import ParentEnsemble, outputs
from hubmerge.evaluation.score import score
from hubmerge.models import token_outputs
from hubmerge.models.class_outputs import ClassOutputs
from hubmerge.models.temperature import fit_temperature
from hubmerge.models.token_outputs import TEMPERATURES, TokenOutputs, TokenStatistics, figures_of
from hubmerge.utils.workers import Workers

ROWS, TOKENS, WORDS = 32, 7, 9


def drawn(seed: int = 0, scale: float = 2.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that know something of the labels, and those."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(WORDS, (ROWS, TOKENS), generator=generator)
    noise = torch.randn(ROWS, TOKENS, WORDS, generator=generator)
    logits = scale * (noise + F.one_hot(labels, WORDS))
    labels[:, -1] = IGNORED
    return logits, labels


def kept(seed: int = 0, scale: float = 2.0) -> TokenOutputs:
    logits, labels = drawn(seed, scale)
    return TokenOutputs(figures_of(logits, labels).numpy(), labels.numpy())


def flat(seed: int = 0, scale: float = 2.0) -> ClassOutputs:
    """Every token as a row of a classifier."""
    logits, labels = drawn(seed, scale)
    asked = labels != IGNORED
    return ClassOutputs(logits[asked].double().numpy(), labels[asked].numpy())


def test_loss_accuracy_and_calibration_are_those_of_all_tokens():
    said, known = score(kept()), score(flat())
    assert said.loss == pytest.approx(known.loss, abs=1e-6)
    assert said.accuracy == pytest.approx(known.accuracy)
    assert said.calibration_error == pytest.approx(known.calibration_error, abs=1e-6)
    assert said.n == ROWS


def test_a_row_is_a_text():
    logits, labels = drawn()
    for row, loss in enumerate(kept().losses()):
        expected = F.cross_entropy(logits[row], labels[row])
        assert loss == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("scale", [0.7, 2.0, 3.0])
def test_the_temperature_is_the_nearest_of_those_there_are(scale):
    found, best = kept(3, scale).fitted_temperature(), fit_temperature_of(flat(3, scale))
    assert found in TEMPERATURES
    assert abs(np.log2(found / best)) < 0.5 / 8 + 0.03
    known = flat(3, scale).losses(found).mean()
    assert kept(3, scale).losses(found).mean() == pytest.approx(known, abs=1e-6)


def fit_temperature_of(said: ClassOutputs) -> float:
    return fit_temperature(said.logits, said.labels)


def test_it_never_calibrates_for_the_worse():
    for seed in range(5):
        said = score(kept(seed), kept(seed))
        assert said.calibrated_loss <= said.loss


def test_differences_are_paired_by_text():
    merge, other = kept(0), kept(0, 3.0)
    said = compare(merge, other, "other", merge_temperature=1.0, other_temperature=1.0)
    assert said.accuracy_difference == 0 == said.accuracy_low == said.accuracy_high
    assert said.calibrated_loss_low < said.calibrated_loss_difference < said.calibrated_loss_high
    strange = compare(merge, TokenOutputs(kept(1).figures, merge.labels), "stranger")
    assert strange.accuracy_low < strange.accuracy_difference < strange.accuracy_high


def test_what_is_no_number_is_reported():
    logits, labels = drawn()
    logits[3, 2, 1] = float("nan")
    broken = TokenOutputs(figures_of(logits, labels).numpy(), labels.numpy())
    assert not broken.finite
    assert not score(broken, broken).temperature
    assert broken.right[3] <= 1 - 1 / (TOKENS - 1)
    assert kept().finite


def model(seed: int) -> GPT2LMHeadModel:
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=WORDS, n_embd=8, n_layer=1, n_head=2, n_positions=TOKENS,
        bos_token_id=0, eos_token_id=0, initializer_range=0.5,
    )  # fmt: skip
    return GPT2LMHeadModel(config).eval()


def blocks(rows: int = 130) -> Batches:
    ids = torch.randint(WORDS, (rows, TOKENS), generator=torch.Generator().manual_seed(0))
    labels = F.pad(ids[:, 1:], (0, 1), value=IGNORED)
    return Batches(
        lambda numbers: {"input_ids": ids[list(numbers)]},
        tuple(range(rows)),
        labels,
        statistics=TokenStatistics(),
    )


def test_the_same_figures_on_any_number_of_threads_and_near_any_number_of_rows(monkeypatch):
    one, two = (outputs(model(0), blocks(), Workers(threads=n)).figures for n in (1, 2))
    assert np.array_equal(one, two)
    monkeypatch.setattr(token_outputs, "rows_at_once", lambda tokens, words: 3)
    assert np.allclose(outputs(model(0), blocks(), Workers(threads=1)).figures, one, atol=1e-6)


def test_the_ensemble_is_the_mean_of_probabilities():
    models, rows = [model(0), model(1), model(2)], blocks(20)
    said = outputs(ParentEnsemble(models), rows, Workers(threads=1))
    ids = rows[0].inputs["input_ids"]
    assert not any(each.training for each in models), "members are left as they were"
    with torch.inference_mode():
        mean = torch.stack([each(ids).logits.softmax(-1) for each in models]).mean(0)
    expected = F.cross_entropy(mean[:, :-1].log().flatten(0, 1), ids[:, 1:].flatten())
    assert said.losses().mean() == pytest.approx(float(expected), abs=1e-6)
    own = [outputs(each, rows, Workers(threads=1)).losses() for each in models]
    assert (said.losses() <= sum(own) / 3 + 1e-6).all()


def test_no_rows_are_no_figures():
    assert len(outputs(model(0), blocks(0), Workers(threads=1))) == 0


def test_rows_of_other_lengths_weigh_as_much_as_they_have_tokens():
    logits, labels = drawn()
    labels[:10, 2:] = IGNORED
    asked = labels != IGNORED
    said = TokenOutputs(figures_of(logits, labels).numpy(), labels.numpy())
    every = ClassOutputs(logits[asked].double().numpy(), labels[asked].numpy())
    assert said.losses().mean() == pytest.approx(every.losses().mean(), abs=1e-6)
    assert said.right.mean() == pytest.approx(every.right.mean())
    assert said.calibration_error == pytest.approx(every.calibration_error, abs=1e-6)
    assert said.first(12).losses().mean() == pytest.approx(
        float(F.cross_entropy(logits[:12].flatten(0, 1), labels[:12].flatten())), abs=1e-6
    )
