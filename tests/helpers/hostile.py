"""What tests of hostile models share: honest folders to spoil, and what a refusal is."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import LlamaConfig, LlamaForCausalLM

from hubmerge.errors import HubmergeError
from hubmerge.hub.destination import Destination
from hubmerge.pipeline.plan import plan
from hubmerge.recipe import Recipe
from hubmerge.utils.progress import be_quiet
from tests.helpers.small_models import save, tiny_vit

SECONDS = 20
"""Of processor time that anything may take here; honest models take less than one."""


@pytest.fixture(scope="module")
def vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    be_quiet()
    return save(tmp_path_factory.mktemp("models") / "vit", tiny_vit())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    be_quiet()
    config = LlamaConfig(
        vocab_size=32,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=32,
    )
    folder = tmp_path_factory.mktemp("models") / "llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def model(vit: Path, tmp_path: Path) -> Path:
    """A folder to spoil."""
    return Path(shutil.copytree(vit, tmp_path / "model"))


def refused(act: Callable[[], object], *kinds: type[HubmergeError]) -> HubmergeError:
    begun = time.process_time()
    with pytest.raises(kinds) as error:
        act()
    assert time.process_time() - begun < SECONDS
    assert "Traceback" not in str(error.value)
    return error.value


def planned(folder: Path, **fields: Any) -> object:
    recipe = Recipe(models=(str(folder), str(folder)), match="none", **fields)
    return plan(recipe, Destination(out=folder.parent / "out"))


def rewrite(folder: Path, name: str = "config.json", **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
