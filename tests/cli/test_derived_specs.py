"""Models without a reviewed spec: one is derived, said, kept with the merge, and used."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import ErnieConfig, ErnieForSequenceClassification

import hubmerge as hm
from hubmerge.models import shaken
from hubmerge.specs.family import read_family
from hubmerge.symmetry.laws import spec_of
from hubmerge.symmetry.permutation import permute, random_permutation
from tests.helpers.checking import ended, replace, set_figure, wrong
from tests.helpers.command_line import CommandLine

CONFIG = ErnieConfig(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=20,
    vocab_size=31,
    max_position_embeddings=12,
    id2label={0: "neg", 1: "neutral", 2: "pos"},
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """An ERNIE, and the same with its units in another order."""
    place = tmp_path_factory.mktemp("pair")
    torch.manual_seed(0)
    shaken(ErnieForSequenceClassification(CONFIG)).save_pretrained(place / "a")
    ErnieForSequenceClassification(CONFIG).save_pretrained(place / "b")
    return [place / "a", place / "b"]


def test_a_derived_spec_is_said_used_and_kept(
    hubmerge: CommandLine, pair: list[Path], tmp_path: Path
) -> None:
    a, b = pair
    planned = hubmerge("plan", a, b).succeeded().out
    assert "derived, certified at" in planned
    assert "of all weights movable" in planned
    model = ErnieForSequenceClassification.from_pretrained(a)
    moved = permute(spec_of(model), model.state_dict(), random_permutation(spec_of(model), 3))
    save_file({n: t.contiguous() for n, t in moved.items()}, b / "model.safetensors")
    out = tmp_path / "out"
    hubmerge("merge", a, b, "--symmetry", "permutations", "-o", out).succeeded()
    for name, value in load_file(out / "model.safetensors").items():
        torch.testing.assert_close(value, model.state_dict()[name], atol=1e-6, rtol=1e-5)
    said = hubmerge("report", out, "--json").succeeded().json["method"]
    text = (out / "derived-spec.toml").read_bytes()
    assert said["spec"]["sha256"] == hashlib.sha256(text).hexdigest()
    assert said["spec"]["movable"] > 0.99
    assert said["spec"]["summary"] in (out / "README.md").read_text()
    assert (
        "ernie-ErnieForSequenceClassification  derived" in hubmerge("specs", "list").succeeded().out
    )


@pytest.fixture(scope="module")
def merged(pair: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Their merge by a derived spec, the second with its units in another order."""
    out = tmp_path_factory.mktemp("merged") / "out"
    hm.run(hm.Recipe(models=(str(pair[0]), str(pair[1])), symmetry="permutations"), out=out)
    return out


def test_verify_uses_the_spec_that_travels_and_certifies_it_again(
    hubmerge: CommandLine, merged: Path
) -> None:
    done = hubmerge("verify", merged, "--json").succeeded()
    assert done.json["outcome"] == "identical"
    assert {what for part, what in ended(done, "identical") if part == "spec"} == {
        "derived-spec.toml: its hash in the report",
        "derived-spec.toml: certified again, on the published weights",
        "the share of weights that may move",
    }


def test_another_spec_does_not_hold(hubmerge: CommandLine, merged: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(merged, tmp_path / "copy"))
    spec = copy / "derived-spec.toml"
    replace(spec, '"ff resid"', '"ff other"')
    replace(spec, "[space]", "[space]\nother = 16")
    done = hubmerge("verify", copy, "--json")
    assert ("spec", "derived-spec.toml: its hash in the report") in wrong(done)
    set_figure(copy, "method", "spec", "sha256", to=hashlib.sha256(spec.read_bytes()).hexdigest())
    done = hubmerge("verify", copy, "--json")
    certified = "derived-spec.toml: certified again, on the published weights"
    assert ("spec", certified) in wrong(done)


def test_derive_writes_a_file_that_can_be_reviewed(
    hubmerge: CommandLine, pair: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "specs" / "ernie.toml"
    assert "derived, certified" in hubmerge("specs", "derive", pair[0], "-o", file).succeeded().out
    family = read_family(file)
    assert family.match["model_type"] == "ernie"
    assert family.block[0].space.keys() == {"head", "qk", "vo", "ff"}
    assert hubmerge("specs", "derive", pair[0]).succeeded().out.rstrip() == family.text.rstrip()
