"""One registry for everything that others can add to: names, order, descriptions, plugins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hubmerge.errors import RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.pipeline.methods import checked_methods
from hubmerge.recipe import Recipe
from hubmerge.registry import allow_plugins, installed_plugins, registries, registry
from tests.helpers import plugin

EVERY = pytest.mark.parametrize("each", registries(), ids=lambda each: each.name)


@pytest.fixture
def extras(tmp_path, monkeypatch):
    """The plugin of docs/plugins.md, on the path of this process."""
    monkeypatch.syspath_prepend(str(plugin.install(tmp_path / "site")))
    allow_plugins(None)
    yield tmp_path / "site"
    monkeypatch.undo()
    allow_plugins(None)


def test_nothing_is_imported_to_list_names_and_descriptions():
    program = (
        "import sys; sys.argv = ['hubmerge']\n"
        "from hubmerge.registry import registries\n"
        "for each in registries():\n"
        "    assert each.names() and all(each.describe(name).summary for name in each.names())\n"
        "print([n for n in sys.modules if n.split('.')[0] in ('torch', 'numpy', 'pydantic')\n"
        "       or '.methods' in n])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@EVERY
def test_a_file_in_the_folder_is_a_name(each):
    files = {path.stem for path in each.path.glob(f"*{each.suffix}") if path.stem[0] != "_"}
    assert {name.replace("-", "_") for name in each.names()} == files


@EVERY
def test_what_is_read_without_importing_is_what_importing_gives(each):
    for name, found in each.all().items():
        said = each.describe(name)
        assert said.summary
        if hasattr(found, "summary"):
            assert (said.summary, found.name) == (found.summary, name)
        if hasattr(found, "source"):
            assert said.source == found.source


def test_average_comes_first_and_wins_ties_and_the_rest_is_in_order():
    first, *rest = registry("fusions").names()
    assert first == "average"
    assert rest == sorted(rest)
    for each in registries():
        names = [name for name in each.names() if name not in each.first]
        assert names == sorted(names), each.name


@pytest.mark.parametrize(
    ("given", "name"),
    [("linear", "average"), ("dare_ties", "dare-ties"), ("dare_linear", "dare"), ("ties", "ties")],
)
def test_fusions_can_be_called_as_mergekit_calls_them(given, name):
    assert find_fusion(given).name == name
    assert given in registry("fusions")


def test_a_long_name_is_quoted_by_its_beginning():
    for field in ("fuse", "match", "multi_match", "repair"):
        with pytest.raises(RecipeError) as refused:
            checked_methods(Recipe(models=("a/b", "c/d"), **{field: "x" * 400}))
        assert "x" * 100 not in str(refused.value)
        assert "400 characters" in str(refused.value)


def test_an_unknown_name_is_refused_with_the_nearest_ones():
    with pytest.raises(RecipeError, match="there is no fusion 'tise'") as refused:
        registry("fusions").get("tise")
    assert "'ties'" in (refused.value.hint or "")
    assert "average" in (refused.value.found or "")


def test_an_unknown_name_is_quoted_as_it_was_given():
    with pytest.raises(RecipeError, match="no fusion 'task_arithmetics'"):
        Recipe(models=("me/a", "me/b"), fuse="task_arithmetics")


def test_a_name_that_is_not_the_files_is_refused():
    with pytest.raises(ValueError, match=r"'other' .* 'median-of-all'"):
        register_in("median_of_all", "other")


def register_in(file, name):
    """What registering `name` in a file of that name does."""

    def function():
        """A function."""

    function.__module__ = f"hubmerge.fuse.methods.{file}"
    fusions = registry("fusions")
    found = {**fusions._by_module(), function.__module__: entry(file)}
    original, fusions._by_module = fusions._by_module, lambda: found
    try:
        fusions.add(function, lambda called: called, name)
    finally:
        fusions._by_module = original


def entry(file):
    from hubmerge.registry import RegistryEntry

    return RegistryEntry(
        file.replace("_", "-"), f"hubmerge.fuse.methods.{file}", Path(f"{file}.py")
    )


def test_an_installed_package_adds_one_of_each_kind(extras):
    for kind, names in plugin.entry_points().items():
        for name in names:
            assert registry(kind).names()[-1] == name
            source = registry(kind).plugin(name)
            assert (source.package, source.version) == ("hubmerge-extras", "0.1")
            assert registry(kind).describe(name).summary
            assert registry(kind).get(name) is not None
    assert installed_plugins() == ("hubmerge-extras",)


def test_only_packages_that_are_allowed_add_anything(extras):
    allow_plugins(())
    assert "median" not in registry("fusions")
    with pytest.raises(RecipeError, match="there is no fusion 'median'"):
        find_fusion("median")
    allow_plugins(["Hubmerge_Extras"])
    assert find_fusion("median").name == "median"


def test_a_plugin_cannot_replace_what_comes_with_hubmerge(extras):
    add_entry_point(extras, "hubmerge.fusions", "average = hubmerge_extras.median")
    assert registry("fusions").plugin("average") is None
    assert find_fusion("average").linear


def test_two_plugins_of_one_name_are_refused(extras):
    other = extras / "other-1.0.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (other / "entry_points.txt").write_text("[hubmerge.fusions]\nmedian = elsewhere.median\n")
    allow_plugins(None)
    with pytest.raises(RecipeError, match="two files claim the fusion 'median'") as refused:
        registry("fusions").names()
    assert "hubmerge-extras 0.1" in (refused.value.found or "")
    allow_plugins(["hubmerge-extras"])
    assert "median" in registry("fusions")


@pytest.mark.parametrize(
    ("text", "quoted"),
    [("import no_such_module", "no_such_module"), ("X = 1", "registers no fusion 'broken'")],
)
def test_a_plugin_that_is_broken_is_named_when_it_is_used(extras, text, quoted):
    (extras / plugin.PACKAGE / "broken.py").write_text(f'"""Broken."""\n{text}\n')
    add_entry_point(extras, "hubmerge.fusions", "broken = hubmerge_extras.broken")
    sys.modules.pop("hubmerge_extras.broken", None)
    assert registry("fusions").describe("broken").summary == "Broken."
    with pytest.raises(RecipeError) as refused:
        find_fusion("broken")
    assert quoted in str(refused.value)
    assert "hubmerge-extras 0.1" in str(refused.value)


def add_entry_point(site, group, line):
    path = next(site.glob("*.dist-info")) / "entry_points.txt"
    path.write_text(path.read_text().replace(f"[{group}]\n", f"[{group}]\n{line}\n"))
    allow_plugins(None)
