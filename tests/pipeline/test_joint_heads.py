"""Whole merges of parents that tell other classes apart: joined in one head, or kept apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from datasets import Value
from safetensors.torch import load_file
from transformers import AutoModelForImageClassification

import hubmerge as hm
from hubmerge.demo.digits import NAMES
from hubmerge.demo.train import pixels
from hubmerge.errors import LabelError, RecipeError
from hubmerge.pipeline.plan import plan
from hubmerge.planning.text import render_plan
from hubmerge.reporting.card import render_card
from hubmerge.reporting.text import render_text
from hubmerge.utils.progress import be_quiet
from hubmerge.verification.result import Outcome
from hubmerge.verification.verify import verify
from tests.helpers import label_subsets as run
from tests.helpers import texts, zoo
from tests.helpers.label_subsets import HIGH, LOW, MIDDLE
from tests.helpers.training_history import trained

ROWS = {"calibration_samples": 300}
LEAST = {"match": "activations", "fuse": "least-squares"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    be_quiet()
    return run.write(tmp_path_factory.mktemp("models"))


@pytest.fixture
def merge(models, tmp_path):
    """A merge of models by name with these fields of a recipe: its report, and where it lies."""

    def do(*names, out="out", heads="join", **fields):
        data = models["eight" if set(names) == {"low", "middle"} else "data"]
        given = {"dataset": str(data), **ROWS} | fields
        refs = tuple(str(models.get(name, name)) for name in names)
        recipe = hm.Recipe(models=refs, heads=heads, **({"effort": "quick"} | given))
        result = hm.run(recipe, hm.Destination(out=tmp_path / out))
        return result.report, result.folder

    return do


def tensors(folder):
    return load_file(folder / "model.safetensors")


def accuracy(report):
    measured = dict(report.contenders).items()
    return {name: each.accuracy for name, each in measured if each is not None}


def test_disjoint_halves_become_one_classifier(models, merge):
    report, folder = merge("low", "high", **LEAST)
    found = accuracy(report)
    own = {each.parent: each for each in report.heads.known}
    assert found["merge"] > max(found["parent_a"], found["parent_b"]) + 0.25
    assert found["merge"] > found["naive"] + 0.15
    assert sum(each.rows for each in own.values()) == report.n
    for parent, part in own.items():
        assert part.labels == 5
        # What it does not know a parent never gets right, so all it gets right are its own rows.
        assert found[parent] == pytest.approx(part.accuracy[parent] * part.rows / report.n)
        assert part.accuracy["merge"] > part.accuracy[parent] - 0.05
    model = AutoModelForImageClassification.from_pretrained(folder)
    assert list(model.config.id2label.values()) == NAMES
    assert model.config.label2id == {name: number for number, name in enumerate(NAMES)}
    assert model.config.num_labels == 10
    images, labels = pixels(zoo.course("mlp"), zoo.rows()["test"])
    with torch.no_grad():
        said = model(pixel_values=images).logits.argmax(1)
    assert (said == labels).float().mean() > 0.75


def test_the_report_names_the_labels_that_all_contenders_were_measured_on(merge):
    report, folder = merge("low", "high", match="weights")
    assert (report.heads.kind, report.heads.labels, report.heads.shared) == ("join", 10, 0)
    assert report.verdict_sentence.endswith(" Of the 10 labels, the parents know 5 and 5.")
    card = (folder / "README.md").read_text()
    for text in (card, render_text(report)):
        assert "s 5 labels" in text
        assert "measured over the 10 labels that some parent knows" in text
    assert "joined: one output for every label that a parent knows" in card
    assert card == render_card(report)


def test_the_merge_is_made_again_and_a_wrong_figure_is_found(merge):
    _, folder = merge("low", "middle", **LEAST)
    assert verify(str(folder)).outcome is Outcome.IDENTICAL
    said = json.loads((folder / "report.json").read_text())
    said["heads"]["known"][1]["accuracy"]["merge"] = 0.5
    (folder / "report.json").write_text(json.dumps(said))
    wrong = [
        check.what for check in verify(str(folder)).checks if check.outcome is Outcome.DOES_NOT_HOLD
    ]
    assert "heads.known[parent_b].accuracy.merge" in wrong


def test_auto_tries_the_parents_as_given_too(merge):
    report, _ = merge("low", "high")
    tried = {each.way: each for each in report.method.tried}
    assert "not at all" in tried
    best = min(tried.values(), key=lambda each: each.loss)
    assert [each.way for each in tried.values() if each.chosen] == [best.way]
    assert report.method.match == best.match
    assert len(report.method.spaces) == (0 if best.match == "none" else 2)


def test_labels_that_several_parents_know_are_shared(merge):
    report, folder = merge("low", "middle", "high", **LEAST)
    model = AutoModelForImageClassification.from_pretrained(folder)
    # A's order, then the new ones of B in B's order, then those of C.
    assert list(model.config.id2label.values()) == [*LOW, *MIDDLE[:3], *HIGH[3:]]
    assert (report.heads.shared, report.heads.known_by) == (5, [5, 5, 5])
    found = accuracy(report)
    assert found["merge"] > max(found[f"parent_{p}"] for p in "abc") + 0.25


def test_joining_one_label_set_is_the_plain_merge(models, merge, tmp_path):
    turned = zoo.write_model(tmp_path / "turned", run.taught(LOW[::-1], 5), "mlp")
    fields = {"dataset": None, "match": "weights", "calibration_samples": None}
    plain, same = merge("low", str(turned), heads="same", out="plain", **fields)
    joined, one = merge("low", str(turned), heads="join", out="joined", **fields)
    assert (same / "model.safetensors").read_bytes() == (one / "model.safetensors").read_bytes()
    assert joined.heads is None
    assert plain.merged == joined.merged


def test_apart_all_outputs_of_all_parents_stand_side_by_side(models, merge):
    report, folder = merge("low", "middle", heads="concat", **LEAST)
    model = AutoModelForImageClassification.from_pretrained(folder)
    marked = [f"{name} (A)" if name in MIDDLE else name for name in LOW]
    marked += [f"{name} (B)" if name in LOW else name for name in MIDDLE]
    assert list(model.config.id2label.values()) == marked
    assert (report.heads.labels, report.heads.outputs, report.heads.shared) == (8, 10, 2)
    assert "side by side" in (folder / "README.md").read_text()
    for part in report.heads.known:
        assert part.accuracy["merge"] > part.accuracy[part.parent] - 0.05


def test_two_heads_over_the_trunk_of_the_first(models, merge):
    """Nothing but the head is merged: A's is as good as it was, and is A's but for a constant."""
    alone = {"only": ("classifier",), "symmetry": "permutations"}
    report, folder = merge("low", "high", heads="concat", match="weights", **alone)
    merged, first = tensors(folder), tensors(models["low"])
    assert all(torch.equal(merged[name], first[name]) for name in first if "layers" in name)
    shift = merged["classifier.weight"][:5] - first["classifier.weight"]
    assert torch.allclose(shift, shift[:1].expand_as(shift), atol=1e-6)
    known = report.heads.known[0]
    assert known.accuracy["merge"] == known.accuracy["parent_a"]
    assert known.loss["merge"] == pytest.approx(known.loss["parent_a"], abs=1e-5)


def test_a_head_that_was_cut_in_two_is_put_together(models, merge, tmp_path):
    """Both halves stand on one trunk, which stays; each says of its own labels what it did."""
    whole = run.taught(NAMES, seed=4)
    split_validation = {}
    for name, names in (("first", LOW), ("second", HIGH)):
        model = zoo.mlp(zoo.labelled(names))
        rows = [NAMES.index(label) for label in names]
        state = {k: v[rows] if "classifier" in k else v for k, v in whole.state_dict().items()}
        model.load_state_dict(state)
        split_validation[name] = str(zoo.write_model(tmp_path / name, model, "mlp"))
    report, folder = merge(*split_validation.values(), match="none")
    merged = tensors(folder)
    assert all(torch.equal(v, merged[k]) for k, v in whole.state_dict().items() if "layers" in k)
    for part in report.heads.known:
        assert part.accuracy["merge"] == part.accuracy[part.parent]
        assert part.loss["merge"] == pytest.approx(part.loss[part.parent], abs=1e-5)


def test_fine_tunes_on_other_labels_are_merged_on_their_base(models, merge, tmp_path):
    whole = run.taught(NAMES, seed=4, epochs=12)
    base = zoo.write_model(tmp_path / "base", whole, "mlp")
    fine = []
    for names in (LOW, HIGH):
        model, rows = zoo.mlp(zoo.labelled(names)), run.of_classes(names)["train"]
        cut = [NAMES.index(label) for label in names]
        state = {k: v[cut] if "classifier" in k else v for k, v in whole.state_dict().items()}
        model.load_state_dict(state)
        model = trained(model, *pixels(zoo.course("mlp"), rows), seed=1, epochs=2, rate=1e-3)
        fine.append(str(zoo.write_model(tmp_path / names[0], model, "mlp")))
    report, _ = merge(*fine, base=str(base), fuse="task-arithmetic")
    assert report.method.match == "none"
    assert report.base.parameters == sum(value.numel() for value in whole.parameters())
    assert [each.parameters for each in report.models] != [report.base.parameters] * 2
    assert accuracy(report)["merge"] > 0.8


def test_in_memory_it_is_the_same_merge(models, merge):
    _, folder = merge("low", "high", dataset=None, match="weights", calibration_samples=None)
    a, b = hm.load(str(models["low"])), hm.load(str(models["high"]))
    found = hm.match(a, b, by="weights", heads="join")
    aligned = found.apply(b)
    assert list(aligned.id2label.values()) == NAMES
    in_memory = hm.merge(a, aligned).model.state_dict()
    assert all(torch.equal(in_memory[name], value) for name, value in tensors(folder).items())
    naive = hm.merge(a, b, heads="join").model
    assert naive.config.num_labels == 10


def test_the_plan_says_what_the_head_will_be(models):
    refs = (str(models["low"]), str(models["middle"]))
    found = plan(hm.Recipe(models=refs, heads="concat", match="weights"))
    assert (len(found.both.labels), found.both.known) == (10, [5, 5])
    assert found.models[0].parameters == sum(v.numel() for v in tensors(models["low"]).values())
    assert "from 5 of A's and 5 of B's" in " ".join(render_plan(found).split())


def test_the_alignment_beside_it_will_do(models, merge):
    fields = {"dataset": None, "calibration_samples": None}
    _, folder = merge("low", "high", match="weights", out="first", **fields)
    _, again = merge("low", "high", alignment=str(folder), out="again", **fields)
    assert all(torch.equal(v, tensors(again)[k]) for k, v in tensors(folder).items())


def test_models_without_classes_are_refused(models, tmp_path):
    speaker = texts.saved(texts.BUILD["gpt2"](), tmp_path / "speaker")
    refs = (str(speaker), str(speaker))
    for kind in ("join", "concat"):
        with pytest.raises(RecipeError, match="is for classifiers") as refused:
            plan(hm.Recipe(models=refs, heads=kind))
        assert "GPT2LMHeadModel" in (refused.value.found or "")


def test_numbers_without_names_are_no_labels_of_several_parents(models, merge, tmp_path):
    rows = zoo.rows().cast_column("label", Value("int64"))
    bare = zoo.write_data(tmp_path / "bare", rows)
    with pytest.raises(LabelError, match="numbers without names"):
        merge("low", "high", dataset=str(bare))
    assert not Path(tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("family", "epochs"), [("resnet", 8), ("vit", 24)])
def test_so_it_is_in_every_family(family, epochs, merge, tmp_path):
    parents = run.write(tmp_path / family, family, epochs)
    refs = [str(parents[name]) for name in ("low", "high")]
    report, _ = merge(*refs, **LEAST)
    found = accuracy(report)
    assert found["merge"] > max(found["parent_a"], found["parent_b"]) + 0.2
