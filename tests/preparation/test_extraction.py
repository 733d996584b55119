"""Adapters that are extracted from a model and its base."""

import json

import pytest
import torch
from safetensors.torch import load_file
from typer.testing import CliRunner

from hubmerge.cli import app
from hubmerge.errors import MismatchError, RecipeError, TargetError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.extract_adapter import extract_adapter
from hubmerge.pipeline.run import run
from hubmerge.preparation.adapters import low_rank as module
from hubmerge.preparation.adapters.low_rank import low_rank
from hubmerge.recipe import make_recipe
from tests.helpers.peft_adapters import base, merged


def saved(kind, folder, *changes):
    """The base, or with what adapters add to it."""
    model = base(kind)
    state = model.state_dict()
    for change in changes:
        for name, value in merged(change).items():
            state[name] += value - base(kind).state_dict()[name]
    model.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("exact", [True, False])
def test_no_matrices_of_that_rank_are_nearer(exact, monkeypatch):
    monkeypatch.setattr(module, "EXACT", 1000 if exact else 0)
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, 60)).Q for n in (90, 80))
    values = torch.tensor([0.6**n for n in range(60)])
    delta = left @ torch.diag(values) @ right.T
    first, second = low_rank(delta, 3)
    assert (first.shape, second.shape) == ((90, 3), (3, 80))
    missed = torch.linalg.norm(delta - first @ second)
    torch.testing.assert_close(missed, torch.linalg.norm(values[3:]), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("kinds", "rank"), [(("lora",), 2), (("lora", "rslora"), 3), (("gpt2",), 2)]
)
def test_a_model_with_adapters_is_its_base_with_the_one_that_is_extracted(kinds, rank, tmp_path):
    """Adapters that were merged are one adapter again, whose rank is their ranks' sum at most."""
    start = saved(kinds[0], tmp_path / "base")
    model = saved(kinds[0], tmp_path / "model", *kinds)
    found = extract_adapter(model, start, rank, tmp_path / "adapter")
    assert found.error < 1e-5
    assert found.left_out == {}
    made = run(
        make_recipe(models=(f"{start}+{tmp_path / 'adapter'}", model), match="none", lam=0.0),
        Destination(out=tmp_path / "out"),
    )
    wanted = load_file(tmp_path / "model" / "model.safetensors")
    for name, value in load_file(made.folder / "model.safetensors").items():
        torch.testing.assert_close(value, wanted[name], rtol=1e-4, atol=1e-5)
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] is None  # a folder's place is private
    assert str(tmp_path) not in (tmp_path / "adapter" / "README.md").read_text()


def test_what_is_missed_and_left_out_is_measured(tmp_path):
    start = saved("lora", tmp_path / "base")
    model = base("lora")
    state = model.state_dict()
    change = torch.diag(torch.tensor([3.0, 2.0, 1.0, 0, 0, 0, 0, 0]))
    state["model.layers.0.self_attn.q_proj.weight"] += change
    state["model.norm.weight"][0] += 1.0
    model.save_pretrained(tmp_path / "model")
    found = extract_adapter(str(tmp_path / "model"), start, 2, tmp_path / "out")
    assert found.error == pytest.approx((2 / 15) ** 0.5, rel=1e-4)
    assert found.left_out == {"model.norm.weight": pytest.approx(1 / 15, rel=1e-4)}
    assert (found.modules, found.parameters) == (1, 2 * 16)


def test_what_cannot_be_extracted_is_refused(tmp_path):
    start = saved("lora", tmp_path / "base")
    with pytest.raises(MismatchError, match="differ in nothing"):
        extract_adapter(start, start, 2, tmp_path / "out")
    with pytest.raises(MismatchError):
        extract_adapter(saved("gpt2", tmp_path / "gpt2"), start, 2, tmp_path / "out")
    with pytest.raises(RecipeError, match="rank"):
        extract_adapter(start, start, 0, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_writes_it_and_says_what_it_misses(tmp_path):
    start = saved("lora", tmp_path / "base")
    model = saved("lora", tmp_path / "model", "lora")
    words = ["extract-lora", model, "--base", start, "--rank", "1", "-o", str(tmp_path / "out")]
    said = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert said.exit_code == 0
    found = json.loads(said.stdout)
    assert 0 < found["error"] < 1
    assert (found["model"], found["base"]) == ("model", "base")
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, TargetError)
