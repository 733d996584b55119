"""What a Python session meets: names, one-line reprs, objects in memory, saving and publishing."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import hubmerge as hm
from hubmerge import api
from hubmerge.errors import MismatchError, NotFoundError, RecipeError, TargetError
from hubmerge.models import shaken
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import probe_for
from hubmerge.utils.progress import be_quiet
from tests.helpers import zoo
from tests.helpers.hub_fixtures import hub, impatient, server

__all__ = ["hub", "impatient", "server"]


def model(seed: int):
    torch.manual_seed(seed)
    return shaken(zoo.mlp(zoo.labelled(), hidden_sizes=[12]), seed)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """Folders of two small MLPs."""
    be_quiet()
    place = tmp_path_factory.mktemp("places")
    return [str(zoo.write_model(place / f"mlp-{n}", model(n), "mlp")) for n in (1, 2)]


@pytest.fixture(scope="module")
def by_hand(places):
    """The five lines: what they load, find and make."""
    a, b = map(hm.load, places)
    found = hm.match(a, b, by="weights")
    return a, b, found, hm.merge(a, found.apply(b), t=0.25)


@pytest.fixture
def rows():
    return zoo.rows()["test"].select(range(120))


def test_the_public_names_are_listed_for_completion_and_known_to_type_checkers():
    stub = Path(hm.__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imported = {
        name.name: node.module
        for node in ast.parse(stub).body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert imported == hm._HOMES
    assert {*imported, "__version__"} == {*dir(hm)}
    assert all(getattr(hm, name) is not None for name in dir(hm))


@pytest.mark.parametrize("function", [api.match, api.merge, hm.run, hm.diagnose])
def test_defaults_are_those_of_the_command_line(function):
    """Where None leaves out a field, the recipe decides."""
    named = {"by": "match", "t": "lam"}
    for name, parameter in inspect.signature(function).parameters.items():
        field = hm.Recipe.model_fields.get(named.get(name, name))
        if field is not None and name != "models" and parameter.default is not None:
            assert parameter.default == field.default, name


def test_paths_are_folders(places, tmp_path, monkeypatch):
    """A relative one as well, which as text might be an id."""
    one, other = map(Path, places)
    recipe = hm.Recipe(models=(one, other), base=one, dataset=one.parent / "rows.csv", fuse="ties")
    assert recipe.models == (str(one), str(other))
    assert (recipe.base, recipe.dataset.id) == (str(one), str(one.parent / "rows.csv"))
    assert hm.load(one).source == hm.load(str(one)).source
    assert hm.diagnose(one, other).why == hm.diagnose(*places).why
    monkeypatch.chdir(one.parent.parent)
    relative = one.relative_to(one.parent.parent)
    assert hm.load(relative).source.sha == hm.load(one).source.sha
    with pytest.raises(NotFoundError, match="there is no folder"):
        hm.verify(Path("me/missing"))


def test_results_say_what_they_are_in_one_line_and_all_of_it_when_printed(by_hand, places):
    a, b, found, merged = by_hand
    plan = hm.plan(hm.Recipe(models=tuple(places)))
    diagnosis = hm.diagnose(*places)
    for each in (a, found.apply(b), found, found.match, merged, plan, diagnosis):
        assert len(repr(each)) < 400, type(each)
        assert "\n" not in repr(each)
    for each in (found, found.match, merged, plan, diagnosis):
        assert len(str(each).splitlines()) > 2
        assert str(each).splitlines()[0] in each._repr_markdown_()
        assert each._repr_html_().startswith("<pre>")
    assert repr(a) == (
        f"<LoadedModel {places[0]}: MlpHeadForClassification, 2,446 parameters, float32>"
    )
    assert str(merged) == hm.report(merged) == hm.report(merged, found)
    recipe = hm.Recipe(models=("a/b", "c/d"), dataset="e/f", seed=3)
    assert repr(recipe) == "Recipe(models=('a/b', 'c/d'), dataset=DataRecipe(id='e/f'), seed=3)"


def test_what_was_merged_by_hand_is_saved_with_a_recipe_that_makes_it_again(by_hand, tmp_path):
    *_, merged = by_hand
    folder = merged.save_pretrained(tmp_path / "by-hand")
    with pytest.raises(TargetError, match="exists"):
        merged.save_pretrained(folder)
    result = hm.run(hm.read_recipe(folder), out=tmp_path / "again")

    one, other = (load_file(each / "model.safetensors") for each in (folder, result.folder))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert f"{result.report.verdict_sentence} In " in repr(result)
    assert len(repr(result)) < 400
    assert len(repr(result.report)) < 400
    assert "<strong>Cannot tell" in result.report._repr_html_()
    assert (result.report.method.lam, result.report.method.match) == (0.25, "weights")


def test_what_was_merged_by_hand_is_published(by_hand, hub):
    *_, merged = by_hand
    published = merged.push_to_hub("me/by-hand", private=True)
    assert published.repo == "me/by-hand"
    files = hub.api().list_repo_files("me/by-hand")
    assert {"model.safetensors", "report.json", "hubmerge.yaml", "README.md"} <= {*files}


def test_objects_in_memory_are_recorded_by_the_hash_of_their_content(rows, tmp_path):
    models = [model(1), model(2)]
    reports = []
    for name in ("one", "two"):
        folder = hm.merge(*models, repair="none").save_pretrained(tmp_path / name)
        text = (folder / "hubmerge.yaml").read_text()
        assert "hubmerge-in-memory" not in text
        assert "/" not in text.partition("shas")[0]
        reports.append(Report.read(folder))
    one, two = reports
    assert [parent.kind for parent in one.models] == ["memory", "memory"]
    assert all(re.fullmatch("local-[0-9a-f]{40}", parent.sha) for parent in one.models)
    assert [p.sha for p in one.models] == [p.sha for p in two.models]
    assert one.models[0].sha != one.models[1].sha
    assert any("others cannot make this merge again" in limit for limit in one.limits)


def test_a_model_that_was_changed_after_loading_is_an_object(places, tmp_path):
    a, b = hm.load(places[0]), hm.load(places[1])
    assert not a.changed
    a.model.save_pretrained(tmp_path / "saved")
    a.model(**probe_for(a.model))
    assert not a.changed
    next(iter(a.model.state_dict().values())).mul_(1.5)
    assert a.changed
    found = hm.match(a, b, by="weights")
    folder = hm.merge(a, found.apply(b), repair="none").save_pretrained(tmp_path / "out")
    report = Report.read(folder)
    assert [parent.kind for parent in report.models] == ["memory", "local"]
    as_it_is = hm.load(a.model, processor=a.processor)
    assert report.models[0].sha == as_it_is.source.sha != hm.load(places[0]).source.sha
    assert any("others cannot make this merge again" in limit for limit in report.limits)
    recipe = hm.Recipe(models=(a, b))
    assert recipe.models == (recipe.models[0], places[1])
    assert "in-memory" in recipe.models[0]
    checked = hm.verify(str(folder))
    assert checked.outcome == "not checked"
    why = "an object in the publisher's memory: others cannot make this merge again"
    assert all(why in (check.why or "") for check in checked.of("not checked"))


def test_labels_that_were_changed_count_as_well(places):
    a = hm.load(places[0])
    a.model.config.id2label = {n: f"other {n}" for n in a.model.config.id2label}
    assert a.changed


def test_what_was_changed_after_it_was_aligned_or_merged_is_refused(by_hand, tmp_path):
    a, b, found, _ = by_hand
    aligned = found.apply(b)
    merged = hm.merge(a, aligned, repair="none")
    next(iter(aligned.model.state_dict().values())).mul_(1.5)
    with pytest.raises(MismatchError, match="changed after it was aligned"):
        hm.merge(a, aligned)
    next(iter(merged.model.state_dict().values())).mul_(1.5)
    with pytest.raises(MismatchError, match="changed after it was made"):
        merged.save_pretrained(tmp_path / "changed")


def test_a_recipe_takes_objects(rows, tmp_path, places):
    given = hm.load(model(1), processor=zoo.processor(zoo.course("mlp")))
    recipe = hm.Recipe(
        models=(given, places[1]), dataset=rows, match="none", effort="quick", path_points=0
    )
    assert all(isinstance(each, str) for each in recipe.models)
    report = hm.run(recipe, out=tmp_path / "out").report
    assert [parent.kind for parent in report.models] == ["memory", "local"]
    assert report.data is not None
    assert report.data.kind == "memory"
    (limit,) = (each for each in report.limits if "in memory" in each)
    assert limit.startswith("Parent A (local-")
    assert "the data set (local-" in limit


def test_a_destination_is_given_once(places, tmp_path):
    recipe = hm.Recipe(models=tuple(places))
    with pytest.raises(RecipeError, match="both given") as refused:
        hm.run(recipe, hm.Destination(), out=tmp_path / "out", push="me/x")
    assert refused.value.fields == ("out", "push")


def test_two_models_are_diagnosed_without_a_recipe(places):
    named = hm.diagnose(*places)
    loaded = hm.diagnose(hm.load(places[0]), hm.load(places[1]))
    assert named == loaded == hm.diagnose(hm.Recipe(models=tuple(places)))
    assert named.relation == "strangers"
    assert f"hubmerge.run(hubmerge.Recipe(models=({places[0]!r}, {places[1]!r}), match=" in str(
        named
    )
    with pytest.raises(RecipeError, match="two models"):
        hm.diagnose(places[0])
    with pytest.raises(RecipeError, match="both given"):
        hm.diagnose(hm.Recipe(models=tuple(places)), places[1])
