"""Language models by Hub id: merged, measured in perplexity, published, checked."""

from __future__ import annotations

import copy
import hashlib
import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from huggingface_hub import metadata_load
from safetensors import safe_open
from torch.nn import functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from hubmerge.errors import DataError, MismatchError
from hubmerge.localhub import EmbeddedHub
from hubmerge.matching import find_matcher, measure_moments
from hubmerge.models import shaken
from hubmerge.specs.spec import PERMUTE, ROTARY, SCALES
from hubmerge.symmetry.canonical import canonical
from hubmerge.symmetry.element import random_symmetry, transform
from hubmerge.symmetry.laws import spec_of
from hubmerge.utils.workers import Workers
from tests.helpers import texts, zoo
from tests.helpers.command_line import CommandLine
from tests.helpers.tiny import ProbeBatch

DATA = "me/tales"
every_family = pytest.mark.parametrize("family", texts.BUILD)


@pytest.fixture(scope="module")
def speakers(hub: EmbeddedHub, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name -> folder of a trained model, such as gpt2-a; on the Hub as me/NAME."""
    place = tmp_path_factory.mktemp("speakers")
    zoo.push(hub, DATA, texts.data(place / "data"), "dataset")
    folders = {"data": place / "data"}
    for family in texts.BUILD:
        for seed, letter in enumerate("ab"):
            name = f"{family}-{letter}"
            folders[name] = texts.saved(texts.trained(family, seed), place / name)
            zoo.push(hub, f"me/{name}", folders[name])
    return folders


@pytest.fixture(scope="module")
def merge_of(speakers: dict[str, Path], hubmerge: CommandLine, tmp_path_factory):
    """Family -> what `hubmerge merge A B --dataset D --push C -o DIR` wrote, done once."""

    @cache
    def do(family: str) -> Path:
        folder = tmp_path_factory.mktemp("speaking") / family
        models = [f"me/{family}-a", f"me/{family}-b"]
        where = ["--push", f"me/{family}-both", "-o", folder]
        hubmerge("merge", *models, "--dataset", DATA, *where).succeeded()
        return folder

    return do


def report_in(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def blocks_of_texts(tokenizer) -> torch.Tensor:
    """The texts in a fixed order, end to end, in blocks."""

    def key(row: int) -> bytes:
        return hashlib.blake2b(f"hubmerge rows v1:{row}".encode(), digest_size=8).digest()

    reported = texts.sentences(160, 3)
    line = []
    for row in sorted(range(len(reported)), key=key):
        line += [*tokenizer(reported[row])["input_ids"], tokenizer.eos_token_id]
    blocks = [line[k : k + texts.TOKENS] for k in range(0, len(line), texts.TOKENS)]
    return torch.tensor([b for b in blocks if len(b) == texts.TOKENS][: len(reported)])


@every_family
def test_figures_are_those_of_the_published_checkpoint(merge_of, hub, family, tmp_path):
    """Nothing of hubmerge's is used here."""
    report = report_in(merge_of(family))
    copy = hub.api().snapshot_download(f"me/{family}-both", local_dir=tmp_path / "copy")
    model, found = AutoModelForCausalLM.from_pretrained(copy, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    tokenizer, rows = AutoTokenizer.from_pretrained(copy), texts.sentences(160, 3)
    losses, right = [], []
    for text in rows:
        tokens = torch.tensor([*tokenizer(text)["input_ids"], tokenizer.eos_token_id])
        tokens = tokens[: texts.TOKENS]
        with torch.inference_mode():
            logits = model.eval()(input_ids=tokens[None]).logits[0, :-1]
        losses.append(F.cross_entropy(logits, tokens[1:], reduction="none"))
        right.append(logits.argmax(-1) == tokens[1:])
    said = report["contenders"]["merge"]
    assert report["n"] == said["n"] == len(rows)
    assert said["loss"] == pytest.approx(float(torch.cat(losses).mean()), rel=1e-4)
    assert said["accuracy"] == pytest.approx(float(torch.cat(right).double().mean()))


@every_family
def test_matching_takes_most_of_the_barrier_away(merge_of, family):
    report = report_in(merge_of(family))
    assert report["barrier"]["naive"] > 0.3
    assert report["barrier"]["matched"] < report["barrier"]["naive"] / 3
    merge, naive = (report["contenders"][name]["loss"] for name in ("merge", "naive"))
    assert merge < naive - 0.3
    parents = [report["contenders"][f"parent_{letter}"]["loss"] for letter in "ab"]
    assert report["contenders"]["ensemble"]["loss"] < sum(parents) / 2
    assert math.log(len(texts.WORDS)) / 2 > max(parents), "the parents have learned something"


@every_family
def test_a_stock_checkpoint_comes_out_with_its_tokenizer(merge_of, speakers, family):
    folder, parent = merge_of(family), speakers[f"{family}-a"]
    names = []
    for place in (folder, parent):
        with safe_open(place / "model.safetensors", "pt") as file:
            names.append({name: file.get_slice(name).get_shape() for name in file.keys()})  # noqa: SIM118
    assert names[0] == names[1], "a tied tensor is stored once, and nothing is added"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        assert (folder / name).read_bytes() == (parent / name).read_bytes()


@every_family
def test_everything_that_is_read_speaks_of_perplexity(merge_of, hubmerge, family):
    folder = merge_of(family)
    report, card = report_in(folder), metadata_load(folder / "README.md")
    perplexity = math.exp(report["contenders"]["merge"]["loss"])
    assert report["merged"]["pipeline_tag"] == card["pipeline_tag"] == "text-generation"
    assert report["merged"]["auto_class"] == "AutoModelForCausalLM"
    assert report["merged"]["labels"] == []
    assert f"perplexity {perplexity:.3f} against" in report["verdict_sentence"]
    assert report["verdict_sentence"].endswith("on 160 test texts.")
    metrics = card["model-index"][0]["results"]
    values = {m["type"]: m["value"] for result in metrics for m in result["metrics"]}
    assert values["perplexity"] == pytest.approx(perplexity)
    body = (folder / "README.md").read_text()
    assert "tokenizer = AutoTokenizer.from_pretrained" in body
    assert "|  | next-token accuracy | perplexity | calibrated perplexity |" in body
    shown = hubmerge("report", folder).succeeded().out
    assert f"{perplexity:.3f}" in shown
    assert "nats per token" in shown


def test_it_can_be_verified(merge_of, hubmerge):
    merge_of("llama")
    done = hubmerge("verify", "me/llama-both").succeeded()
    assert "Holds: everything came out identical." in done.out


def test_a_plan_says_what_will_be_measured(speakers, hubmerge):
    shown = hubmerge("plan", "me/gpt2-a", "me/gpt2-b", "--dataset", DATA).succeeded().out
    assert "perplexity, next-token accuracy" in shown
    assert f"tokens {len(texts.WORDS)}" in shown


@every_family
def test_a_planted_symmetry_is_found_and_undone(speakers, hubmerge, family, tmp_path):
    """B is A rotated, mapped, scaled and reordered as far as its spec allows: they merge into A."""
    model = AutoModelForCausalLM.from_pretrained(speakers[f"{family}-a"]).eval()
    spec = spec_of(model)
    planted = transform(spec, canonical(spec, model.state_dict()), random_symmetry(spec, 5))
    twin = AutoModelForCausalLM.from_pretrained(speakers[f"{family}-a"])
    twin.load_state_dict(planted)
    texts.saved(twin, tmp_path / "twin")
    parents = [speakers[f"{family}-a"], tmp_path / "twin"]
    hubmerge("merge", *parents, "--match", "weights", "-o", tmp_path / "out").succeeded()
    merge = AutoModelForCausalLM.from_pretrained(tmp_path / "out").eval()
    blocks = blocks_of_texts(texts.tokenizer())
    with torch.inference_mode():
        before, after = (each(input_ids=blocks).logits for each in (model, merge))
    assert (after - before).abs().max() < 1e-3 * before.abs().max()
    found = json.loads((tmp_path / "out" / "alignment.json").read_text())
    kinds = {name: spec.spaces[name].may for name in spec.free_spaces()}
    assert {space["space"]: space["kind"] for space in found["spaces"]} == kinds
    assert all(space["correlation"] > 1 - 1e-4 for space in found["spaces"])


@pytest.mark.parametrize("method", ["weights", "activations"])
def test_turning_queries_and_keys_under_rotary_positions_is_worth_it(speakers, method):
    """The midpoint of two trained llamas, with all symmetries and with all but that one."""
    a, b = (AutoModelForCausalLM.from_pretrained(speakers[f"llama-{x}"]) for x in "ab")
    whole = spec_of(a).allowing(SCALES)
    kept = {
        name: replace(space, may=PERMUTE, fixed=True) if space.may == ROTARY else space
        for name, space in whole.spaces.items()
    }
    blocks = blocks_of_texts(texts.tokenizer())
    batches = [ProbeBatch({"input_ids": blocks[k : k + 20]}) for k in range(0, 80, 20)]
    losses = {}
    for spec in (whole, replace(whole, spaces=kept)):
        moments = measure_moments(spec, a, b, batches, Workers(threads=1))
        matcher = find_matcher(method).function
        match = matcher(spec, a.state_dict(), b.state_dict(), moments=moments)
        first, last = match.anchored(a.state_dict()), match.apply(b.state_dict())
        middle = copy.deepcopy(a)
        middle.load_state_dict({name: (first[name] + last[name]) / 2 for name in first})
        with torch.inference_mode():
            rows = blocks[80:]
            losses[spec is whole] = float(middle(input_ids=rows, labels=rows).loss)
            parents = [float(each(input_ids=rows, labels=rows).loss) for each in (a, b)]
    turned, left_alone = (losses[way] - sum(parents) / 2 for way in (True, False))
    assert turned < left_alone


def test_models_of_other_vocabularies_are_refused(speakers, hubmerge, tmp_path):
    words = [texts.WORDS[0], *reversed(texts.WORDS[1:])]
    model = AutoModelForCausalLM.from_pretrained(speakers["gpt2-b"])
    texts.saved(model, tmp_path / "other", words)
    done = hubmerge("plan", "me/gpt2-a", tmp_path / "other")
    done.refused(MismatchError, "tokenizers differ in vocabulary", "'.' is token 1 in me/gpt2-a")
    model.save_pretrained(tmp_path / "none")
    hubmerge("plan", "me/gpt2-a", tmp_path / "none").refused(MismatchError, "tokenizer")


def test_what_cannot_be_measured_is_refused(speakers, parents, hubmerge, tmp_path):
    models = ["me/gpt2-a", "me/gpt2-b"]
    done = hubmerge("merge", *models, "--dataset", DATA, "--tokens", 64)
    done.refused(DataError, "blocks of 64 tokens", "the model takes 16")
    done = hubmerge("merge", *models, "--dataset", "me/digits")
    done.refused(DataError, "no column that is clearly the text")
    done = hubmerge("merge", *models, "--dataset", DATA, "--text-column", "story")
    done.refused(DataError, "story")
    for name in "ab":
        shaken(AutoModelForCausalLM.from_pretrained(speakers["gpt2-a"])).save_pretrained(
            tmp_path / name
        )
    done = hubmerge("merge", tmp_path / "a", tmp_path / "b", "--dataset", DATA)
    done.refused(DataError, "the model has no tokenizer")
