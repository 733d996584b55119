"""A plan says everything that can be known, downloads no weights and writes nothing."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from hubmerge.cli.wording import COMMAND_LINE
from hubmerge.errors import (
    DataError,
    HubmergeError,
    LabelError,
    MismatchError,
    NotFoundError,
    RecipeError,
    ResourceError,
    TargetError,
    WeightsError,
)
from hubmerge.hub.destination import Destination
from hubmerge.hub.load import load
from hubmerge.hub.model_class import skeleton
from hubmerge.hub.source import resolve
from hubmerge.hub.target import look_at
from hubmerge.localhub import EmbeddedHub
from hubmerge.pipeline.plan import plan as plan_of
from hubmerge.planning.measurements import NO_DATA, measurements
from hubmerge.planning.plan import Plan
from hubmerge.planning.resources import WORKING, human, measure_needs, memory_needed
from hubmerge.planning.text import free_spaces, render_plan
from hubmerge.recipe import make_recipe
from hubmerge.recipe.effort import EFFORTS
from hubmerge.refine import RATES, ROWS
from tests.helpers.small_models import push, save, tiny_resnet, tiny_vit

CARD = """---
license: cc-by-4.0
dataset_info:
  features:
  - name: image
    dtype: image
  - name: label
    dtype:
      class_label: {names: {'0': cat, '1': dog}}
  splits:
  - {name: train, num_examples: 500}
  - {name: test, num_examples: 100}
---
"""

DESTINATION = {field.name for field in dataclasses.fields(Destination)}


def make_plan(*models: str, **asked: Any) -> Plan:
    """The plan of a merge of `models`, matched by weights and not repaired unless asked."""
    target = {name: asked.pop(name) for name in DESTINATION & {*asked}}
    recipe = make_recipe(models=models, **{"match": "weights", "repair": "none", **asked})
    return plan_of(recipe, Destination(**target))


@pytest.fixture
def pair(hub: EmbeddedHub, tmp_path: Path, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two models on the Hub, under names of the test's own."""
    name = request.node.name.partition("[")[0].replace("_", "-")[:60]
    a = push(hub, f"{name}/a", save(tmp_path / "a", tiny_vit(0)))
    b = push(hub, f"{name}/b", save(tmp_path / "b", tiny_vit(1), "apache-2.0"))
    return a, b


def folder_pair(tmp_path: Path, **changes: Any) -> tuple[str, str]:
    a = save(tmp_path / "left", tiny_vit(0))
    b = save(tmp_path / "right", tiny_vit(1, **changes))
    return str(a), str(b)


def test_all_that_can_be_known(hub: EmbeddedHub, pair: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "README.md").write_text(CARD)
    (tmp_path / "d" / "test.csv").write_text("a,b\n")
    data = push(hub, "plan/data", tmp_path / "d", repo_type="dataset")
    plan = make_plan(*pair, dataset=data, out=tmp_path / "out", push="me/result", samples=50)
    assert [model.sha for model in plan.models] == [resolve(ref).sha for ref in pair]
    assert [model.licenses for model in plan.models] == [["mit"], ["apache-2.0"]]
    assert plan.licence.license == ["apache-2.0", "mit"]
    assert plan.models[0].parameters == sum(p.numel() for p in tiny_vit().parameters())
    assert plan.models[0].weight_bytes == (tmp_path / "a" / "model.safetensors").stat().st_size
    assert plan.both.family == "vit"
    assert plan.both.labels == ["cat", "dog", "eel"]
    assert 16 in plan.both.free_spaces.values()
    assert 32 in plan.both.free_spaces.values()
    assert plan.data is not None
    assert plan.data.card.splits == {"train": 500, "test": 100}
    assert plan.data.card.columns == {"image": "image", "label": "class_label"}
    assert plan.dtype == "float32"
    assert not plan.private
    assert plan.needs.download >= sum(model.weight_bytes for model in plan.models)
    a, b = pair
    first = {"models": [a, b], "fuse": "average", "match": "none"}
    staged = make_recipe(stages={"first": first}, models=("first", a), match="none")
    twice = plan_of(staged)  # A is a parent of both merges
    assert twice.needs.download == sum(model.download_bytes for model in plan.models)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_no_weights_come_and_nothing_is_written(
    hub: EmbeddedHub, pair: tuple[str, str], tmp_path: Path
) -> None:
    make_plan(*pair, out=tmp_path / "out", push="me/untouched")
    assert not list((tmp_path / "home").rglob("*.safetensors"))
    assert not (tmp_path / "out").exists()
    assert look_at("me/untouched") is None


def test_the_text_says_what_the_plan_says(pair: tuple[str, str], tmp_path: Path) -> None:
    plan = make_plan(*pair, out=tmp_path / "out")
    text = render_plan(plan)
    for said in (
        *(model.id for model in plan.models),
        *(model.sha[:12] for model in plan.models),
        "ViTForImageClassification",
        "cat, dog, eel",
        "apache-2.0, mit",
        str(tmp_path / "out"),
        human(plan.needs.memory),
    ):
        assert said in text
    assert all(line == line.rstrip() for line in text.splitlines())


def test_the_text_holds_no_control_characters(tmp_path: Path) -> None:
    names = {0: "cat\x1b[2J", 1: "dog\r", 2: "eel"}
    a = str(save(tmp_path / "a", tiny_vit(0, id2label=names)))
    text = render_plan(make_plan(a, a))
    assert "cat\\x1b[2J" in text
    assert all(line.isprintable() and len(line) <= 140 for line in text.splitlines())


def test_spaces_that_are_alike_are_counted_together() -> None:
    sizes = {"resid": 16, "layers.0.head": 2, "layers.1.head": 2, "layers.0.ff": 32}
    assert free_spaces(sizes) == "resid 16, 2 x head 2, ff 32"


@pytest.mark.parametrize(
    ("build", "asked", "shown"),
    [
        (tiny_vit, {"match": "auto", "repair": "auto"}, "statistics: activations"),
        (tiny_vit, {"match": "weights", "repair": "auto"}, None),
        (tiny_resnet, {"match": "auto", "repair": "auto"}, "statistics: activations, batch norm"),
        (tiny_resnet, {"match": "auto", "repair": "none"}, "statistics: activations"),
        (tiny_resnet, {"match": "weights", "repair": "auto"}, "statistics: batch norm"),
        (tiny_resnet, {"match": "none", "fuse": "least-squares"}, "statistics: layers"),
        (tiny_resnet, {"match": "weights"}, None),
    ],
)
def test_without_data_it_says_what_synthetic_images_stand_in_for(
    tmp_path: Path, build: Any, asked: dict[str, Any], shown: str | None
) -> None:
    a = str(save(tmp_path / "a", build(0)))
    plan = make_plan(a, a, **asked)
    assert [each.what for each in plan.measurements[1:]] == ([shown] if shown else [])
    text = render_plan(plan)
    assert (plan.measurements[0].what, plan.measurements[0].rows) == ("nothing", NO_DATA)
    assert "\n      none\n" not in text
    assert ("synthetic images of 8 x 8 stand in" in text) == (shown is not None)
    assert ("no statistics are re-estimated" in text) == (shown is None)


def test_the_memory_is_that_of_what_will_be_done(tmp_path: Path) -> None:
    a = str(save(tmp_path / "a", tiny_resnet(0)))
    needed = {match: make_plan(a, a, match=match).needs.memory for match in ("auto", "weights")}
    assert needed["auto"] == make_plan(a, a, match="synthetic").needs.memory > needed["weights"]
    bare = str(save(tmp_path / "b", tiny_resnet(0), do_resize=False))
    assert make_plan(bare, bare, match="auto").needs.memory == needed["weights"]
    assert plan_of(make_recipe(models=(a, a))).needs.memory == needed["auto"]


def test_a_processor_whose_images_the_model_refuses_is_refused(tmp_path: Path) -> None:
    a = save(tmp_path / "a", tiny_vit(0), size={"height": 16, "width": 16})
    for look in (lambda: make_plan(str(a), str(a)), lambda: load(str(a))):
        with pytest.raises(WeightsError, match="images of 16 x 16, its model takes 8 x 8") as found:
            look()
        assert '{"height": 8, "width": 8}' in str(found.value)


def test_labels_that_change_places_are_counted(tmp_path: Path) -> None:
    plan = make_plan(*folder_pair(tmp_path, id2label={0: "dog", 1: "cat", 2: "eel"}))
    assert plan.both.labels == ["cat", "dog", "eel"]
    assert plan.both.labels_moved == 2
    assert "2 of B's rows move" in render_plan(plan)


def test_labels_that_say_nothing_need_a_word(tmp_path: Path) -> None:
    names = {i: f"LABEL_{i}" for i in range(3)}
    a = str(save(tmp_path / "a", tiny_vit(0, id2label=names)))
    with pytest.raises(LabelError, match="say nothing") as refused:
        make_plan(a, a)
    assert 'labels="index"' in str(refused.value)
    assert make_plan(a, a, align_labels="index").both.labels_moved == 0


def test_the_widest_parent_decides_the_dtype(tmp_path: Path) -> None:
    a = str(save(tmp_path / "a", tiny_vit(0).half()))
    b = str(save(tmp_path / "b", tiny_vit(1)))
    assert make_plan(a, a).dtype == "float16"
    assert make_plan(a, b).dtype == "float32"


def drop_a_tensor(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors.pop("classifier.weight")
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})


def widen(folder: Path) -> None:
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(fields | {"hidden_size": 32}))


SPOILS: list[tuple[Callable[[Path], Any], type[HubmergeError]]] = [
    (drop_a_tensor, WeightsError),
    (widen, MismatchError),
    (lambda folder: (folder / "config.json").unlink(), NotFoundError),
    (lambda folder: (folder / "model.safetensors").unlink(), WeightsError),
]


@pytest.mark.parametrize(("spoil", "error"), SPOILS)
def test_what_would_fail_later_fails_now(
    hub: EmbeddedHub, tmp_path: Path, spoil: Callable[[Path], Any], error: type[HubmergeError]
) -> None:
    a, b = save(tmp_path / "a", tiny_vit(0)), save(tmp_path / "b", tiny_vit(1))
    spoil(b)
    repo = push(hub, f"spoiled/{SPOILS.index((spoil, error))}", b)
    for ref in (str(b), repo):
        with pytest.raises(error):
            make_plan(str(a), ref)
    assert not list((tmp_path / "home").rglob("*.safetensors"))


def test_a_taken_target_is_refused_before_anything_comes(
    hub: EmbeddedHub, pair: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(TargetError):
        make_plan(*pair, push=pair[0])
    with pytest.raises(TargetError):
        make_plan(*pair, out=tmp_path / "a")


def test_a_part_that_no_tensor_belongs_to_is_refused(tmp_path: Path) -> None:
    pair = folder_pair(tmp_path)
    for field in ("only", "keep"):
        with pytest.raises(RecipeError, match="no tensor has a name") as refused:
            make_plan(*pair, **{field: ("vit.layerz",)})
        assert "did you mean 'vit.layers'" in str(refused.value)
    assert make_plan(*pair, only=("vit.layers",)).models


def test_more_rows_than_the_card_has(hub: EmbeddedHub, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "README.md").write_text(CARD)
    pair = folder_pair(tmp_path)
    with pytest.raises(DataError, match="501") as refused:
        make_plan(*pair, dataset=str(tmp_path / "d"), samples=501)
    assert "train: 500, test: 100" in str(refused.value)
    with pytest.raises(NotFoundError):
        make_plan(*pair, dataset="plan/no-such-data")


def test_a_strict_licence_keeps_the_push_private(hub: EmbeddedHub, tmp_path: Path) -> None:
    a = push(hub, "strict/a", save(tmp_path / "a", tiny_vit(0), "cc-by-nc-4.0"))
    b = push(hub, "strict/b", save(tmp_path / "b", tiny_vit(1)))
    plan = make_plan(a, b, push="me/strict")
    assert plan.licence.license == "other"
    assert plan.private
    assert not make_plan(a, b, push="me/strict", private=False).private
    hub.api().create_repo("me/strict-public")
    with pytest.raises(TargetError, match="is public"):
        make_plan(a, b, push="me/strict-public", exist_ok=True)


def test_a_private_parent_keeps_the_push_private(hub: EmbeddedHub, tmp_path: Path) -> None:
    a = push(hub, "closed/a", save(tmp_path / "a", tiny_vit(0)), private=True)
    assert make_plan(a, a).private
    assert make_plan(a, a).models[0].private


@pytest.mark.parametrize("build", [tiny_vit, tiny_resnet])
def test_a_skeleton_has_the_model_s_shapes_and_no_memory(build: Callable[[], Any]) -> None:
    model = build()
    bones = skeleton(model.config.__class__(**model.config.to_dict() | named(model)))
    shapes = {name: tensor.shape for name, tensor in bones.state_dict().items()}
    assert shapes == {name: tensor.shape for name, tensor in model.state_dict().items()}
    assert all(parameter.device == torch.device("meta") for parameter in bones.parameters())


def named(model: Any) -> dict[str, list[str]]:
    return {"architectures": [type(model).__name__]}


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    huge = 1 << 60
    fits = {"download": 0, "result": 0, "memory": 0, "cache": tmp_path / "cache", "out": tmp_path}
    assert measure_needs(**fits).free_disk > 0
    for field, said in (("download", "disk"), ("result", "disk"), ("memory", "memory")):
        with pytest.raises(ResourceError, match=f"not enough {said}") as refused:
            measure_needs(**fits | {field: huge})
        assert "needed" in str(refused.value)
    with pytest.raises(ResourceError, match="needed for 2 large ones, ") as refused:
        measure_needs(**fits | {"memory": huge, "whole": "2 large ones"})
    assert "from disk" in str(refused.value)
    half = int(measure_needs(**fits).free_disk * 0.6)
    with pytest.raises(ResourceError, match="disk"):  # together, on one disk
        measure_needs(**fits | {"download": half, "result": half})


@given(st.integers(0, 10**9), st.lists(st.integers(1, 4096)))
def test_memory_grows_with_the_model_and_with_activations(
    parameters: int, sizes: list[int]
) -> None:
    spaces = {str(i): size for i, size in enumerate(sizes)}
    plain = memory_needed(parameters, spaces, activations=False)
    assert plain >= 10 * 4 * parameters
    kinds = ("unmatched", "permuted", "mapped")
    copies = [
        memory_needed(parameters, spaces, activations=False, kind=kind) - WORKING for kind in kinds
    ]
    assert copies == [8 * 4 * parameters, 10 * 4 * parameters, 15 * 4 * parameters]
    assert memory_needed(parameters, spaces, activations=True) - plain == 16 * sum(
        size**2 for size in sizes
    )


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (999, "999 B"), (8_724_644, "8.7 MB"), (125e9, "125 GB"), (3e12, "3.0 TB")],
)
def test_sizes_are_readable(size: float, said: str) -> None:
    assert human(size) == said


def test_a_plan_counts_the_memory_of_what_is_done_to_the_models(tmp_path: Path) -> None:
    refs = [str(save(tmp_path / name, tiny_vit(seed))) for seed, name in enumerate("ab")]
    ways = ({"match": "none"}, {"symmetry": "permutations"}, {})
    unmatched, permuted, mapped = (make_plan(*refs, **way).needs.memory for way in ways)
    assert unmatched < permuted < mapped


def test_a_plan_for_three_looks_at_all_of_them(tmp_path: Path) -> None:
    names = {0: "dog", 1: "cat", 2: "eel"}
    refs = [
        str(save(tmp_path / "a", tiny_vit(0))),
        str(save(tmp_path / "b", tiny_vit(1), "apache-2.0")),
        str(save(tmp_path / "c", tiny_vit(2, id2label=names).half())),
    ]
    plan, of_two = make_plan(*refs, match="synthetic"), make_plan(*refs[:2], match="synthetic")
    assert [model.ref for model in plan.models] == refs
    assert plan.licence.license == ["apache-2.0", "mit"]
    assert plan.dtype == "float32"
    assert plan.both.labels_moved == [0, 2]
    assert plan.needs.memory > of_two.needs.memory
    text = render_plan(plan)
    assert "All are" in text
    assert "2 of C's rows move" in text
    assert any("of all parents" in each.what for each in measurements(True, None, None, models=3))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    wide = str(save(tmp_path / "wide", tiny_vit(2, intermediate_size=40)))
    with pytest.raises(MismatchError) as refused:
        make_plan(*refs[:2], wide)
    assert wide in str(refused.value)


@pytest.mark.parametrize(
    ("build", "passes"),  # two networks learn in three passes; both parents are asked about blends
    [(tiny_vit, 2 * 3 + 2 / len(RATES)), (tiny_resnet, 2 * 3)],
)
def test_a_refinement_s_cost_counts_the_parents_it_asks(
    tmp_path: Path, build: Callable[[int], Any], passes: float
) -> None:
    refs = [str(save(tmp_path / name, build(seed))) for seed, name in enumerate("ab")]
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "README.md").write_text(CARD)
    (folder / "test.csv").write_text("a,b\n")
    plan = make_plan(*refs, dataset=str(folder), effort="standard")
    rows = EFFORTS["standard"].refine_steps * ROWS * passes
    assert f"on {rows:,.0f} rows" in plan.measurements[-1].rows


def test_data_that_parents_cards_name_are_offered(tmp_path: Path) -> None:
    pair = folder_pair(tmp_path)
    named = {"left": "[me/cats, me/dogs]", "right": "me/dogs"}
    for name, said in named.items():
        card = f"---\ndatasets: {said}\n---\n"
        (tmp_path / name / "README.md").write_text(card)
    plan = make_plan(*pair)
    assert plan.offered == {"me/dogs": [0, 1], "me/cats": [0]}
    said = " ".join(render_plan(plan, COMMAND_LINE).split())
    assert "on A and B's cards me/dogs: measure on it by --dataset me/dogs" in said
    (tmp_path / "left" / "README.md").write_text("---\ndatasets: ['../x', '; rm']\n---\n")
    assert make_plan(*pair).offered == {"me/dogs": [1]}
