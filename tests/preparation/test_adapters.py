"""Bases with adapters are what peft makes of them; what is not taken is refused by name."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from hubmerge.errors import HubmergeError, HubUnavailableError, WeightsError
from hubmerge.hub.destination import Destination
from hubmerge.hub.layout import read_header
from hubmerge.pipeline.plan import plan
from hubmerge.pipeline.run import run
from hubmerge.preparation.adapters.config import read_config
from hubmerge.preparation.adapters.deltas import adapted, contents
from hubmerge.recipe import make_recipe, read_recipe, recipe_from, refs_of, with_refs
from hubmerge.utils.model_refs import ModelRef, parse_model_ref
from hubmerge.verification.verify import verify
from tests.helpers.peft_adapters import FOLDER, KINDS, base, merged

SHA, OTHER = "0" * 40, "1" * 40


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("org/a", ModelRef("org/a")),
        ("org/a+org/b", ModelRef("org/a", ("org/b",))),
        ("a+b+c[0:12]", ModelRef("a", ("b", "c"), (0, 12))),
        ("org/a@v1.0+cpu", ModelRef("org/a@v1.0+cpu")),
        ("org/a@v1.0+cpu+org/b", ModelRef("org/a@v1.0+cpu", ("org/b",))),
        ("org/a@main+./here", ModelRef("org/a@main", ("./here",))),
        (f"a@{SHA}+b@{OTHER}[3:4]", ModelRef(f"a@{SHA}", (f"b@{OTHER}",), (3, 4))),
        (f"a+b@local-{SHA}", ModelRef(f"a+b@local-{SHA}")),
        ("./a[1]", ModelRef("./a[1]")),
    ],
)
def test_references_are_understood_and_written(text, wanted):
    assert parse_model_ref(text) == wanted
    assert wanted.text == text


def test_every_part_of_a_model_has_a_role():
    recipe = make_recipe(models=("a+x+y[0:2]", "b"), base="c+z")
    refs = refs_of(recipe)
    assert refs == {
        "model_a": "a",
        "model_a.adapter": "x",
        "model_a.adapter2": "y",
        "model_b": "b",
        "base": "c",
        "base.adapter": "z",
    }
    other = with_refs(recipe, {**refs, "model_a.adapter2": "w", "model_b.adapter": "v"})
    assert other.models == ("a+x+w[0:2]", "b+v")


def of(kind):
    """The base's tensors with that adapter, as they are computed here."""
    state = {name: value.clone() for name, value in base(kind).state_dict().items()}
    folder = FOLDER / kind
    config = read_config(json.loads((folder / "adapter_config.json").read_text()), kind)
    path = folder / "adapter_model.safetensors"
    read = load_file(path)
    found = contents(read_header(path), state, config, kind)
    for name, stored in found.whole.items():
        state[name] = read[stored]
    for name, module in found.modules.items():
        state[name] = adapted(state[name], module, read, config, kind)
    return state


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapted_base_is_pefts(kind):
    before, found, wanted = base(kind).state_dict(), of(kind), merged(kind)
    assert wanted.keys() <= found.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, msg=name)
    assert any(not torch.equal(found[name], before[name]) for name in wanted)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters") / "here"
    base("lora").save_pretrained(folder / "base")
    for kind in ("lora", "rslora", "dora"):
        shutil.copytree(FOLDER / kind, folder / kind)
    return folder


def test_adapters_of_one_base_merge_and_are_verified(folder, tmp_path):
    ref = folder / "base"
    recipe = make_recipe(
        models=(f"{ref}+{folder / 'lora'}", f"{ref}+{folder / 'rslora'}"),
        base=str(ref),
        fuse="task-arithmetic",
        fuse_options={"weight/A": 0.5, "weight/B": 2.0},
        match="none",
        repair="none",
    )
    made = run(recipe, Destination(out=tmp_path / "out"))
    found = load_file(made.folder / "model.safetensors")
    start, first, second = base("lora").state_dict(), merged("lora"), merged("rslora")
    for name, value in found.items():
        wanted = start[name] + 0.5 * (first[name] - start[name]) + 2 * (second[name] - start[name])
        torch.testing.assert_close(value, wanted, rtol=1e-5, atol=1e-5)
    records = [each.adapters for each in made.report.models]
    assert [[each.id for each in adapters] for adapters in records] == [["lora"], ["rslora"]]
    written = recipe_from((made.folder / "hubmerge.yaml").read_text())
    assert set(refs_of(written)) == {
        *("model_a", "model_a.adapter", "model_b", "model_b.adapter", "base")
    }
    card = (made.folder / "README.md").read_text()
    assert "with the adapter <code>rslora</code> at <code>local-" in card
    assert "# Merge of base+lora and base+rslora" in card
    assert any("and parent B's adapter are folders" in limit for limit in made.report.limits)
    checked = verify(str(made.folder))
    assert not [each for each in checked.checks if each.outcome.name != "IDENTICAL"]
    assert not list(tmp_path.glob(".*"))


def test_an_adapter_alone_is_put_on_the_base_that_it_names_on_the_hub_and_nowhere_else(
    folder, tmp_path, monkeypatch
):
    alone = shutil.copytree(folder / "lora", tmp_path / "alone")
    path = alone / "adapter_config.json"
    fields = json.loads(path.read_text())
    for said in (str(folder / "base"), "../base", "", None, 3, "a/b/c"):
        path.write_text(json.dumps({**fields, "base_model_name_or_path": said}))
        with pytest.raises(WeightsError, match="names no base on the Hub"):
            plan(make_recipe(models=(str(alone), str(folder / "base"))))
    path.write_text(json.dumps({**fields, "base_model_name_or_path": "org/base"}))
    asked = []

    def hub(repo_id, revision=None):
        asked.append((repo_id, revision))
        raise HubmergeError("asked")

    monkeypatch.setattr("hubmerge.preparation.adapters.apply.resolve_on_hub", hub)
    (tmp_path / "org" / "base").mkdir(parents=True)  # no folder of that name is taken for it
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HubmergeError, match="asked"):
        plan(make_recipe(models=(str(alone), str(folder / "base"))))
    assert asked == [("org/base", None)]


def test_a_base_that_cannot_be_had_is_said_to_be_an_adapters(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("hubmerge.hub.client.PATIENCE", ())
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    alone = shutil.copytree(folder / "lora", tmp_path / "alone")
    path = alone / "adapter_config.json"
    fields = json.loads(path.read_text())
    path.write_text(json.dumps({**fields, "base_model_name_or_path": "org/base"}))
    with pytest.raises(HubUnavailableError, match="did not answer about org/base") as error:
        plan(make_recipe(models=(str(alone), str(folder / "base"))))
    assert f"{alone} is a PEFT adapter of it" in str(error.value.found)
    assert f"BASE+{alone}" in str(error.value.hint)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"peft_type": "IA3"}, "IA3"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
        ({"layer_replication": [[0, 2], [0, 2]]}, "layer_replication"),
        ({"use_qalora": True}, "use_qalora"),
        ({"something_new": {"a": 1}}, "something_new"),
        ({"lora_alpha": "6"}, "lora_alpha"),
        ({"lora_alpha": 1e40}, "lora_alpha"),
        ({"alpha_pattern": {"(a+)+$": 1}}, "expression"),
        ({"alpha_pattern": [1]}, "no mapping"),
        ({"use_rslora": 1.5}, "use_rslora"),
        ({"use_dora": True}, "use_dora True"),
    ],
)
def test_what_is_not_taken_is_refused_by_name(fields, said):
    path = FOLDER / "lora" / "adapter_model.safetensors"
    known = json.loads((FOLDER / "lora" / "adapter_config.json").read_text())
    with pytest.raises(WeightsError) as error:
        contents(
            read_header(path), base("lora").state_dict(), read_config(known | fields, "x"), "x"
        )
    assert said in str(error.value)


def test_tensors_that_do_not_fit_are_refused(folder, tmp_path):
    fields = json.loads((FOLDER / "lora" / "adapter_config.json").read_text())
    good = load_file(FOLDER / "lora" / "adapter_model.safetensors")
    first = next(name for name in good if "lora_A" in name)
    cases = {
        "unknown": {**good, "base_model.model.model.nothing.lora_A.weight": torch.ones(2, 8)},
        "half": {name: value for name, value in good.items() if name != first},
        "shape": {**good, first: torch.ones(2, 9)},
        "nan": {**good, first: good[first] * float("nan")},
        "vera": {**good, "base_model.vera_A": torch.ones(2)},
    }
    for name, tensors in cases.items():
        there = tmp_path / name
        there.mkdir()
        save_file(tensors, there / "adapter_model.safetensors")
        (there / "adapter_config.json").write_text(json.dumps(fields))
        recipe = make_recipe(
            models=(f"{folder / 'base'}+{there}", str(folder / "base")), match="none"
        )
        with pytest.raises(WeightsError):
            run(recipe, Destination(out=tmp_path / "out"))
    assert {path.name for path in tmp_path.iterdir()} == {*cases}


def test_only_merging_takes_adapters(folder):
    from hubmerge.pipeline.find_matches import find_matches

    recipe = make_recipe(models=(f"{folder / 'base'}+{folder / 'lora'}", str(folder / "base")))
    with pytest.raises(HubmergeError, match="no model as it is stored"):
        find_matches(recipe)


def test_adapters_below_a_recipes_own_folder_are_its_own(folder):
    file = folder / "own.yml"
    file.write_text("models: [./base+./lora, ./base+./dora]\nmatch: none\n")
    recipe = read_recipe(file)
    assert [parse_model_ref(each).adapters for each in recipe.models] == [
        (str(folder / "lora"),),
        (str(folder / "dora"),),
    ]
    file.write_text("models: [./base+../../lora, ./base]\nmatch: none\n")
    with pytest.raises(HubmergeError, match="do not lie in its own folder"):
        read_recipe(file)
