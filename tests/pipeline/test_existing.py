"""Two recipes are one if they make the same bytes, wherever their alignment lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hubmerge.pipeline.existing import identity, title_of
from hubmerge.recipe import Recipe

MODELS = ("org/left", "org/right")


def alignment(folder: Path, order: list[int], *parts: str) -> str:
    """An alignment in a folder of its own, or one per part of it."""
    for part in parts or ("",):
        (folder / part).mkdir(parents=True, exist_ok=True)
        save_file({"mid": torch.tensor(order)}, folder / part / "alignment.safetensors")
    return str(folder if parts else folder / "alignment.safetensors")


def test_where_an_alignment_lies_is_nothing_and_what_it_says_is_all(tmp_path: Path) -> None:
    one = Recipe(models=MODELS, alignment=alignment(tmp_path / "one", [0, 1]))
    same = Recipe(models=MODELS, alignment=alignment(tmp_path / "same", [0, 1]))
    other = Recipe(models=MODELS, alignment=alignment(tmp_path / "other", [1, 0]))
    assert identity(one) == identity(same) != identity(other)
    folder = Recipe(models=MODELS, alignment=str(tmp_path / "one"))
    assert identity(folder) == identity(one)
    assert len({identity(each) for each in (one, other, Recipe(models=MODELS))}) == 3


def test_every_parents_alignment_counts(tmp_path: Path) -> None:
    three = (*MODELS, "org/third")
    both = ("parent_b", "parent_c")
    one = Recipe(models=three, alignment=alignment(tmp_path / "one", [0, 1], *both))
    two = Recipe(models=three, alignment=alignment(tmp_path / "two", [0, 1], *both))
    assert identity(one) == identity(two)
    alignment(tmp_path / "two", [1, 0], "parent_c")
    assert identity(one) != identity(two)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"lam": 0.4}, {"models": MODELS[::-1]}])
def test_another_recipe_has_another_title(changes: dict[str, object]) -> None:
    plain = Recipe(models=MODELS)
    assert title_of(identity(plain)) == title_of(identity(Recipe(models=MODELS, match="auto")))
    assert title_of(identity(plain)) != title_of(identity(Recipe(**{"models": MODELS, **changes})))
