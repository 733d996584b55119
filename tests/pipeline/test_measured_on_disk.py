"""What is measured of models that look their tensors up is what is measured of whole ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedModel

from hubmerge.errors import ResourceError
from hubmerge.hub.destination import Destination
from hubmerge.models import shaken
from hubmerge.pipeline import load, run
from hubmerge.pipeline import resolve as resolving
from hubmerge.pipeline.align import align
from hubmerge.pipeline.evaluate import Evaluation, evaluate
from hubmerge.pipeline.fuse import fuse
from hubmerge.pipeline.resolve import resolve
from hubmerge.recipe import Recipe, make_recipe
from tests.helpers import texts
from tests.pipeline.test_stream import merged

FEW = {"match": "none", "refine": "none", "samples": 8, "calibration_samples": 0}


def bert() -> PreTrainedModel:
    """With a head that is tied, and a bias that two names share."""
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    return BertForMaskedLM(
        BertConfig(vocab_size=len(texts.WORDS), intermediate_size=24, pad_token_id=0, **sizes)
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(texts.data(tmp_path_factory.mktemp("data") / "texts"))


def parents(build: Callable[[], PreTrainedModel], folder: Path, count: int) -> list[str]:
    found = []
    for seed in range(count):
        torch.manual_seed(seed)
        model = shaken(build(), seed).to(torch.bfloat16)
        found.append(str(texts.saved(model, folder / f"p{seed}")))
        reader = texts.tokenizer()
        reader.mask_token = "."
        reader.save_pretrained(folder / f"p{seed}")
    return found


def evaluated(recipe: Recipe, out: Path) -> Evaluation:
    """What is measured where parent B is the merge, and all of the recipe but for writing it."""
    given = resolve(recipe, Destination(out=out))
    inputs = load.load(given)
    alignment = align(given, inputs, None)
    merge = replace(inputs.models[1], model=inputs.parents.model(1))
    found = evaluate(given, inputs, alignment, fuse(given, inputs, alignment), merge)
    assert found is not None
    return found


def test_figures_are_those_of_whole_models(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = parents(texts.gpt2, tmp_path, 2)
    recipe = make_recipe(models=(a, b), dataset=data, fuse="slerp", lam=0.3, **FEW)
    with monkeypatch.context() as patched:
        patched.setattr(load, "load_source", None)  # nothing is loaded
        looked_up = evaluated(recipe, tmp_path / "out")
    monkeypatch.setattr(load, "outlines", lambda run: None)
    whole = evaluated(recipe, tmp_path / "out")
    assert looked_up.scores == whole.scores
    assert looked_up.naive == whole.naive
    assert looked_up.scores["ensemble"] != looked_up.scores["naive"]


MATCHED = {"match": "activations", "symmetry": "permutations", "repair": "none"}


@pytest.mark.slow
def test_no_limit_of_memory_changes_a_byte(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = parents(texts.llama, tmp_path, 2)
    given = FEW | MATCHED | {"calibration_samples": 40, "path_points": 0}
    recipe = make_recipe(models=(a, b), dataset=data, fuse="average", **given)
    with monkeypatch.context() as patched:
        patched.setattr(load, "load_source", None)  # nothing is loaded
        free = merged(recipe, tmp_path / "free")
        patched.setattr(resolving, "WORKING", 1 << 60)  # no room for two places at once
        tight = merged(recipe.replace(memory="2GB"), tmp_path / "tight")
    monkeypatch.setattr(load, "outlines", lambda run: None)
    whole = merged(recipe, tmp_path / "whole")
    assert json.loads(free["report"])["barrier"]["matched"]
    assert free == tight == whole


def test_a_limit_that_is_too_low_is_refused_before_anything_is_read(
    data: str, tmp_path: Path
) -> None:
    a, b = parents(texts.llama, tmp_path, 2)
    recipe = make_recipe(models=(a, b), dataset=data, fuse="average", memory="600MB", **FEW)
    with pytest.raises(ResourceError, match="600 MB allowed") as refused:
        run.run(recipe, out=tmp_path / "out")
    assert "memory" in (refused.value.hint or "")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("build", "options"),
    [
        (texts.gpt2, {"fuse": "slerp", "lam": 0.3}),
        (texts.llama, {"fuse": "average", "path_points": 2, "weights": (0.5, 0.2, 0.3)}),
        (bert, {"fuse": "task-arithmetic"}),
        (texts.gpt2, MATCHED | {"match": "weights", "fuse": "average"}),
    ],
    ids=["gpt2", "llama", "bert", "matched"],
)
def test_reports_are_those_of_whole_models(
    build: Callable[[], PreTrainedModel],
    options: dict[str, Any],
    data: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    *models, base = parents(build, tmp_path, 4 if "weights" in options else 3)
    given = {"base": base} if options["fuse"] == "task-arithmetic" else {}
    recipe = make_recipe(models=tuple(models), dataset=data, **given, **FEW | options)
    with monkeypatch.context() as patched:
        patched.setattr(load, "load_source", None)  # nothing is loaded
        looked_up = merged(recipe, tmp_path / "looked-up")
    monkeypatch.setattr(load, "outlines", lambda run: None)
    whole = merged(recipe, tmp_path / "whole")
    assert b'"ensemble":{"accuracy"' in whole["report"].replace(b'": ', b'":')
    assert looked_up == whole
