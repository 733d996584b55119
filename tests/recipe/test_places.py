"""A recipe's file opens places of its writer's machine for its writer alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from hubmerge.errors import RecipeError
from hubmerge.recipe import read_recipe

HASH, COMMIT = "local-" + "a" * 40, "b" * 40
PINNED = f"org/right@{COMMIT}"


def written(folder: Path, **fields: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hubmerge.yaml").write_text(yaml.safe_dump(fields))
    return folder


def test_ones_own_recipe_names_what_it_likes(tmp_path: Path) -> None:
    places = ["/models/left", "../right"]
    own = written(tmp_path, models=places, shas={"model_a": HASH}, dataset="./rows")
    recipe = read_recipe(own)
    assert list(recipe.models) == places
    assert recipe.dataset is not None
    assert recipe.dataset.id == "./rows"


@pytest.mark.parametrize("how", ["arithmetic", "report", "cache"])
@pytest.mark.parametrize("bad", ["/etc", "../x", "x", "org/x", "org/x@main", "~/x", "C:\\x"])
def test_one_that_came_with_a_merge_names_no_place(tmp_path: Path, how: str, bad: str) -> None:
    folder = tmp_path / ("models--org--x" if how == "cache" else "merge")
    written(folder, models=[bad, PINNED], **({"arithmetic": 1} if how == "arithmetic" else {}))
    if how == "report":
        (folder / "report.json").write_text("{}")
    with pytest.raises(RecipeError, match="which is no state of anything"):
        read_recipe(folder)
    for role in ("base", "dataset"):
        written(folder, models=[f"left@{HASH}", PINNED], arithmetic=1, **{role: bad})
        with pytest.raises(RecipeError, match=f"{role}, neither at a commit nor by its content"):
            read_recipe(folder)


def test_folders_of_one_that_came_with_a_merge_are_known_by_content(tmp_path: Path) -> None:
    places = ["/home/someone/models/left", "C:\\models\\right"]
    shas = {"model_a": HASH, "model_b": HASH}
    merge = written(
        tmp_path, models=places, shas=shas, arithmetic=1, alignment="../../alignment.safetensors"
    )
    recipe = read_recipe(merge)
    assert recipe.models == (f"left@{HASH}", f"right@{HASH}")
    assert recipe.shas == {}
    assert recipe.alignment == str(tmp_path / "alignment.safetensors")


def test_a_user_says_where_folders_lie(tmp_path: Path) -> None:
    merge = written(tmp_path, models=[f"left@{HASH}", f"left@{HASH}"], arithmetic=1)
    recipe = read_recipe(merge, folders={"left": "/a", "model_b": "/b"})
    assert recipe.models == ("/a", "/b")
    assert recipe.shas == {"model_a": HASH, "model_b": HASH}
    with pytest.raises(RecipeError, match="names no folder 'right'"):
        read_recipe(merge, folders={"right": "/a"})


@pytest.mark.parametrize(
    "text", ["models: [" * 3000, "a: &a [x]\nmodels: *a", "models: [a, b]\nseed: " + "9" * 6000]
)
def test_what_is_small_as_a_file_and_large_once_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "hubmerge.yaml").write_text(text)
    with pytest.raises(RecipeError, match="is not YAML"):
        read_recipe(tmp_path)
