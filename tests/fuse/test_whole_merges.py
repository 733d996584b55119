"""Whole merges by fusions that need more than two models: a base, a run, rows to choose on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

import hubmerge as hm
from hubmerge.data.batches import Batches
from hubmerge.data.splits import split_validation
from hubmerge.demo.train import pixels
from hubmerge.errors import RecipeError
from hubmerge.fuse import find_fusion
from hubmerge.models.states import cosine
from hubmerge.pipeline.auto_fuse import candidates
from hubmerge.pipeline.methods import checked_methods, is_training_run, methods_of
from hubmerge.pipeline.parents import SHARED
from hubmerge.reporting.text import render_text
from hubmerge.utils.pinned_refs import HASH
from tests.helpers import training_history as run
from tests.helpers import zoo


def tensors(folder):
    return load_file(folder / "model.safetensors")


def again(folder, out):
    """The same merge from the recipe beside it."""
    return hm.run(hm.read_recipe(folder), hm.Destination(out=out)).folder


def test_fine_tunes_share_the_basin_of_their_base_and_strangers_do_not(past):
    base = tensors(past.base)
    for folder in past.fine:
        assert cosine(tensors(folder), base) > 0.9
    assert abs(cosine(tensors(past.stranger), base)) < SHARED / 2


@pytest.mark.slow
@pytest.mark.parametrize(("family", "epochs"), [("mlp", 8), ("resnet", 5), ("vit", 12)])
def test_so_it_is_in_every_family(family, epochs, monkeypatch):
    monkeypatch.setattr(run, "FAMILY", family)
    images, labels = pixels(zoo.course(family), zoo.rows()["train"])
    base = run.trained(run.fresh(1), images[:400], labels[:400], seed=1, epochs=epochs)
    fine = run.trained(base, images[400:], labels[400:], seed=2, epochs=epochs)
    stranger = run.trained(run.fresh(2), images, labels, seed=3, epochs=epochs)
    assert cosine(fine.state_dict(), base.state_dict()) > 0.9
    assert abs(cosine(stranger.state_dict(), base.state_dict())) < 0.05


def test_fine_tunes_are_merged_on_their_base_as_they_are(past, merge, tmp_path):
    report, folder = merge(*past.fine, base=str(past.base), fuse="ties", data=False)
    assert report.base is not None
    assert (report.base.id, report.method.match) == ("base", "none")
    assert report.method.needs == "data-free"
    assert report.method.fuse_options == {"density": 0.2, "scale": 1.0, "normalize": True}
    assert "base: <code>base</code> (a local folder)" in (folder / "README.md").read_text()
    recipe = yaml.safe_load((folder / "hubmerge.yaml").read_text())
    named = [*recipe["models"], recipe["base"]]
    assert all(HASH.fullmatch(ref.rpartition("@")[2]) for ref in named)
    assert "fuse_options" not in recipe
    remade = again(folder, tmp_path / "again")
    assert (remade / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()


def test_task_arithmetic_on_the_base_is_done_tensor_by_tensor(past, merge):
    _, folder = merge(
        *past.fine,
        base=str(past.base),
        fuse="task-arithmetic",
        fuse_options={"scale": 1.5},
        data=False,
        lam=0.25,
    )
    start, a, b = map(tensors, (past.base, *past.fine))
    for name, value in tensors(folder).items():
        wanted = start[name] + 1.5 * (
            0.75 * (a[name] - start[name]) + 0.25 * (b[name] - start[name])
        )
        torch.testing.assert_close(value, wanted)


def test_a_parent_outside_the_basin_is_matched_to_the_base_and_no_other(past, merge, tmp_path):
    models = (past.fine[0], past.stranger)
    given = {"base": str(past.base), "fuse": "model-stock"}
    report, folder = merge(*models, **given)
    assert report.method.match == "activations"
    assert {space.parent for space in report.method.spaces} == {"parent_b"}
    assert {path.name for path in (folder / "alignment").iterdir()} == {"parent_a", "parent_b"}
    assert report.barrier.matched < report.barrier.naive
    _, aligned = merge(*models, **given, alignment=str(folder / "alignment"), out="aligned")
    assert (aligned / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()
    remade = again(folder, tmp_path / "again")
    assert (remade / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()


def test_a_greedy_soup_reports_its_ingredients_and_is_no_worse_than_the_best(past, merge):
    models = (past.run[1], past.stranger, past.run[3])
    report, folder = merge(*models, fuse="greedy-soup", match="none")
    soup = report.method.soup
    assert soup.metric == "accuracy"
    assert soup.steps[0].taken
    taken = [step for step in soup.steps if step.taken]
    best = max(step.alone for step in soup.steps)
    assert soup.steps[0].alone == best
    assert taken[-1].soup >= best
    assert sorted(report.method.ingredients)[-len(taken) :] == [1 / len(taken)] * len(taken)
    assert len(taken) < 3, "a stranger that nothing was matched to has to stay out"
    card, text = (folder / "README.md").read_text(), render_text(report)
    for reported in (card, text):
        assert "left out" in reported
        assert "parent B" in reported.replace("Parent", "parent")
    if len(taken) == 1:
        assert any("alone: the merge is that model" in limit for limit in report.limits)
        contenders = report.contenders.model_dump()
        assert contenders["merge"] == contenders[taken[0].ingredient]


def test_auto_keeps_the_best_on_validation_rows_and_shows_what_it_tried(past, merge, tmp_path):
    asked = {"base": str(past.base), "effort": "best", "lam": 0.5, "refine": "none"}
    report, folder = merge(*past.fine, **asked)
    tried = {trial.fuse: trial for trial in report.method.fusions_tried}
    assert {"average", "slerp", "ties", "fisher", "twa", "greedy-soup"} <= set(tried)
    assert {"tsv-m", "iso-cts", "wudi", "esm", "regmean-pp", "adamerging"} <= set(tried)
    assert not {"dare", "swag", "lawa"} & set(tried)
    costs = [find_fusion(name).cost for name in tried]
    assert costs == sorted(costs)
    assert next(iter(tried)) == "average"
    (chosen,) = (trial for trial in tried.values() if trial.chosen)
    assert chosen.fuse == report.method.fuse
    assert chosen.loss == min(trial.loss for trial in tried.values())
    assert f"| {chosen.fuse} | {chosen.needs} |" in (folder / "README.md").read_text()
    remade = again(folder, tmp_path / "again")
    assert (remade / "model.safetensors").read_bytes() == (
        folder / "model.safetensors"
    ).read_bytes()


def test_what_fusions_choose_on_is_not_what_they_are_compared_on(past):
    rows = Batches(lambda indices: {}, tuple(range(40, 51)), torch.arange(11))
    chosen, compared = split_validation(rows)
    assert (chosen.indices, compared.indices) == (tuple(range(40, 46)), tuple(range(46, 51)))
    assert torch.equal(torch.cat([chosen.labels, compared.labels]), rows.labels)


def test_revisions_of_one_repository_are_a_run_to_auto():
    run, pair = hm.Recipe(models=("me/a@1", "me/a@2")), hm.Recipe(models=("me/a@1", "me/b@1"))
    rows = [None]
    for recipe, wanted in ((run, True), (pair, False), (hm.Recipe(models=("a", "a")), False)):
        recipe = recipe.replace(effort="best", dataset="me/d", lam=0.5)
        assert is_training_run(recipe.models) == wanted
        assert (methods_of(recipe).match == "none") == wanted
        compared = methods_of(recipe).compared
        tried = {fusion.name for fusion in candidates(compared, rows, rows)}
        assert ({"lawa", "swad"} <= tried) == wanted
        assert not {"swag", "ties"} & tried


def test_without_rows_to_choose_on_auto_is_the_average(past, merge):
    report, folder = merge(*past.fine, fuse="auto", data=False, match="none")
    assert (report.method.fuse, report.method.fusions_tried) == ("average", None)
    a, b = map(tensors, past.fine)
    for name, value in tensors(folder).items():
        torch.testing.assert_close(value, (a[name] + b[name]) / 2)


def test_checkpoints_of_a_run_are_averaged_in_their_order_and_not_matched(past, merge):
    report, folder = merge(*past.run, fuse="lawa", fuse_options={"last": 2})
    assert report.method.match == "none"
    assert report.method.ingredients == [0, 0, 0.5, 0.5]
    assert report.method.weights is None
    one, two = map(tensors, past.run[2:])
    for name, value in tensors(folder).items():
        torch.testing.assert_close(value, (one[name] + two[name]) / 2)


def test_only_a_part_is_merged_and_the_rest_is_parent_a_s(past, merge):
    a, b = map(tensors, past.fine)
    for number, (fields, merged) in enumerate(
        (
            ({"only": ("classifier",)}, lambda name: name.startswith("classifier.")),
            ({"keep": ("layers.0",)}, lambda name: not name.startswith("layers.0.")),
            (
                {"only": ("layers",), "keep": ("layers.1.linear.bias",)},
                lambda name: name.startswith("layers.") and name != "layers.1.linear.bias",
            ),
        )
    ):
        report, folder = merge(*past.fine, match="none", data=False, out=str(number), **fields)
        assert report.method.part in (folder / "README.md").read_text()
        for name, value in tensors(folder).items():
            wanted = (a[name] + b[name]) / 2 if merged(name) else a[name]
            torch.testing.assert_close(value, wanted)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"fuse": "ties"}, 'base="ID"'),
        ({"fuse": "average", "base": "me/base"}, "takes no base"),
        ({"fuse": "auto", "base": "b", "multi_match": "cycle-consistent"}, "each matched to it"),
        ({"fuse": "slurp"}, "fusions: auto, average"),
        ({"fuse": "ties", "base": "b", "fuse_options": {"densty": 0.2}}, "density, scale"),
        ({"fuse": "ties", "base": "b", "fuse_options": {"density": 1.2}}, "at most 1"),
        ({"fuse": "ties", "base": "b", "fuse_options": {"density": "much"}}, "a number"),
        ({"fuse": "ties", "base": "b", "fuse_options": {"density": 10**400}}, "a number"),
        ({"fuse": "lawa", "fuse_options": {"last": 1.5}}, "a whole number"),
        ({"fuse": "greedy-soup", "dataset": "d", "fuse_options": {"metric": "f1"}}, "accuracy"),
        ({"fuse": "greedy-soup"}, "add dataset="),
        ({"fuse": "swa", "lam": 0.3}, "leave out lam="),
        ({"fuse": "auto", "fuse_options": {"density": 0.2}}, "default options"),
    ],
)
def test_what_cannot_be_fused_is_refused_with_what_there_is(fields, said):
    with pytest.raises(RecipeError) as refused:
        checked_methods(hm.Recipe(models=("me/a", "me/b"), **fields))
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"only": ("clasifier",)}, "classifier, layers"),
        ({"keep": ("layers.2",)}, "layers.0, layers.1"),
        ({"keep": ("classifier", "layers")}, "nothing is left"),
    ],
)
def test_a_part_that_is_not_there_is_refused_with_what_is(past, merge, fields, said):
    with pytest.raises(RecipeError) as refused:
        merge(*past.fine, match="none", data=False, **fields)
    assert said in str(refused.value)


def test_a_recipe_without_what_is_new_is_written_as_before(past):
    recipe = hm.Recipe(models=("me/a", "me/b"))
    assert recipe.to_yaml() == "models:\n- me/a\n- me/b\n"


def test_report_json_leaves_out_what_there_is_nothing_to_say_of(past, merge):
    _, folder = merge(*past.fine, match="none", data=False)
    said = json.loads((Path(folder) / "report.json").read_text())
    assert "base" not in said
    assert not {"soup", "fusions_tried", "ingredients", "part"} & set(said["method"])
