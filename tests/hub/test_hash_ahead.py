"""Hashes that are begun early are those of the folder as it is when they are needed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hubmerge.errors import WeightsError
from hubmerge.hub.hash_ahead import taken
from hubmerge.hub.source import hash_ahead, resolve


def folder_with(place: Path, value: float) -> Path:
    place.mkdir(exist_ok=True)
    (place / "config.json").write_text("{}")
    save_file({"weight": torch.full((3,), value)}, place / "model.safetensors")
    return place


def test_a_hash_begun_early_is_the_same(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", 1.0)
    sha = resolve(str(folder)).sha
    hash_ahead([str(folder)])
    assert taken(folder.resolve()) == sha
    hash_ahead([str(folder)])
    assert resolve(str(folder)).sha == sha
    assert taken(folder.resolve()) is None  # `resolve` has used it


def test_a_folder_that_changed_meanwhile_is_hashed_again(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", 1.0)
    hash_ahead([str(folder)])
    folder_with(folder, 2.0)
    found = resolve(str(folder)).sha
    assert found == resolve(str(folder_with(tmp_path / "b", 2.0))).sha


def test_what_is_wrong_is_said_where_it_is_resolved(tmp_path: Path) -> None:
    folder = folder_with(tmp_path / "a", 1.0)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    hash_ahead([str(folder), "./nowhere", "../..//etc\x00", "org/name"])
    with pytest.raises(WeightsError):
        resolve(str(folder))
