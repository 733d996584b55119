"""A recipe's file opens places of its writer's machine for its writer alone."""

from __future__ import annotations

from collections.abc import Mapping
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


def test_paths_below_the_recipes_own_folder_are_opened(tmp_path: Path) -> None:
    own = tmp_path / "own"
    for name in ("left", "org/right", "rows"):
        (own / name).mkdir(parents=True)
    places = ["./left", "org/right", str(own / "left")]
    written(own, models=places, dataset="./rows", alignment="found", base="org/base")
    recipe = read_recipe(own)
    assert recipe.models == (str(own / "left"), str(own / "org/right"), str(own / "left"))
    assert recipe.dataset is not None
    assert recipe.dataset.id == str(own / "rows")
    assert (recipe.alignment, recipe.base) == (str(own / "found"), "org/base")


OUTSIDE = [
    "/etc",
    "../x",
    "./../x",
    "left/../../x",
    "~/x",
    "~",
    ".",
    "..",
    "C:\\x",
    "\\\\a\\b",
    "out",
]


@pytest.mark.parametrize("bad", [*OUTSIDE, "there/x"])
@pytest.mark.parametrize("role", ["model_b", "base", "dataset", "alignment"])
def test_other_places_are_opened_where_they_are_given_or_confirmed(
    tmp_path: Path, bad: str, role: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cwd" / "there" / "x").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "someone")
    fields = {"models": ["org/a", bad]} if role == "model_b" else {"models": ["org/a", "org/b"]}
    own = written(tmp_path / "own", **fields, **({} if role == "model_b" else {role: bad}))
    (own / "out").symlink_to(tmp_path)
    if (role, bad) == ("alignment", "there/x"):
        return  # it lies in its own folder, and is looked for nowhere else
    with pytest.raises(RecipeError, match="do not lie in its own folder") as refused:
        read_recipe(own)
    assert f"{role}: {bad}" in (refused.value.found or "")
    asked: list[Mapping[str, str]] = []
    assert read_recipe(own, confirm=lambda found: not asked.append(found))
    assert asked == [{role: bad}]
    with pytest.raises(RecipeError):
        read_recipe(own, confirm=lambda found: False)
    mapped = read_recipe(own, {role: tmp_path / "mine"})
    assert str(tmp_path / "mine") in mapped.to_yaml()


def test_a_home_folder_is_no_folder_of_a_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home" / "someone"
    (home / "left").mkdir(parents=True)
    monkeypatch.setattr(Path, "home", lambda: home)
    for place, ref in ((home, "./left"), (home.parent, "someone/left")):
        written(place, models=["org/a", ref])
        monkeypatch.chdir(place)
        with pytest.raises(RecipeError, match="lies itself where users keep everything"):
            read_recipe(place)
    assert read_recipe(written(home, models=["org/a", "org/b"])).models == ("org/a", "org/b")


def test_a_recipe_lets_no_code_run_by_itself(tmp_path: Path) -> None:
    own = written(tmp_path, models=["org/a", "org/b"], trust_remote_code=True)
    assert not read_recipe(own).trust_remote_code
    assert read_recipe(own, trust_remote_code=True).trust_remote_code
    written(tmp_path, models=["org/a", "org/b"])
    assert not read_recipe(own, trust_remote_code=True).trust_remote_code


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


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "a", "label": 0}, {"text": "b", "label": 1}],
        [{"": "a"}],
        [["a", 0]],
        {"test": [{"text": "a"}]},
    ],
)
def test_rows_in_a_file_are_no_objects(tmp_path: Path, rows: object) -> None:
    folder = written(tmp_path, models=["org/a", "org/b"], dataset=rows)
    with pytest.raises(RecipeError, match="cannot be carried out"):
        read_recipe(folder)
