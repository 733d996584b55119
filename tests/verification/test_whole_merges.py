"""Verifying whole merges: what stock code loads is checked, and nothing of this machine is read."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageClassification

import hubmerge as hm
from hubmerge.errors import RecipeError
from hubmerge.utils.progress import be_quiet
from hubmerge.verification.result import Outcome, Verification
from hubmerge.verification.rounding import LAST_PLACE
from hubmerge.verification.verify import verify
from tests.helpers import small_merges

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Parents a and b, and rows."""
    be_quiet()
    place = tmp_path_factory.mktemp("parents")
    return {
        "a": small_merges.write_mlp(place / "a", 1),
        "b": small_merges.write_mlp(place / "b", 2),
        "rows": small_merges.write_rows(place / "rows"),
    }


@pytest.fixture(scope="module")
def unmeasured(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merge without data."""
    recipe = hm.Recipe(models=(str(places["a"]), str(places["b"])), match="weights")
    return hm.run(recipe, hm.Destination(out=tmp_path_factory.mktemp("made") / "out")).folder


@pytest.fixture(scope="module")
def measured(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merge measured on few rows."""
    recipe = hm.Recipe(
        models=(str(places["a"]), str(places["b"])),
        match="weights",
        dataset=str(places["rows"]),
        effort="quick",
        path_points=0,
    )
    return hm.run(recipe, hm.Destination(out=tmp_path_factory.mktemp("measured") / "out")).folder


@pytest.fixture
def copy(unmeasured: Path, tmp_path: Path) -> Path:
    """The merge without data, to be spoiled."""
    return Path(shutil.copytree(unmeasured, tmp_path / "copy"))


def wrong(found: Verification) -> set[tuple[str, str]]:
    return {(check.part, check.what) for check in found.of(Outcome.DOES_NOT_HOLD)}


def test_a_good_merge_holds_at_every_level(measured: Path) -> None:
    told: list[str] = []
    found = {
        level: verify(str(measured), level=level, announce=lambda each: told.append(each.level))
        for level in ("load", "measure", "all")
    }
    assert {each.outcome for each in found.values()} == {Outcome.IDENTICAL}
    assert told == ["load", "load", "measure", "load", "measure", "remake"]
    parts = {level: {check.part for check in each.checks} for level, each in found.items()}
    assert parts["load"] == {"recipe", "weights", "verdict", "card", "configuration"}
    assert parts["measure"] - parts["load"] == {"published"}
    assert {"alignment", "contenders", "barrier"} <= parts["all"]
    assert [found[level].level for level in found] == ["load", "measure", "remake"]
    assert any(
        check.what == f"{WEIGHTS}: the report's hash, made again" for check in found["all"].checks
    )


def test_the_honest_weights_in_a_second_file_help_nobody(copy: Path) -> None:
    tensors = load_file(copy / WEIGHTS)
    (copy / WEIGHTS).rename(copy / "zz.safetensors")
    save_file({name: value * 0 + 7 for name, value in tensors.items()}, copy / WEIGHTS)
    small_merges.rehash(copy, WEIGHTS, "zz.safetensors")
    found = wrong(verify(str(copy)))
    assert {
        ("files", "zz.safetensors"),
        ("weights", "zz.safetensors: its hash in the report"),
        ("weights", f"{WEIGHTS}: the report's hash, made again"),
    } <= found
    assert {what for part, what in found if part == "weights"} >= tensors.keys()


@pytest.mark.parametrize(
    "name",
    [
        "adapter_config.json",
        "adapter_model.safetensors",
        "model.fp16.safetensors",
        "model.safetensors.index.json",
        "pytorch_model.bin",
        "sub/model.safetensors",
        "modeling_mlp.py",
        "vocabulary.txt",
        "config.5.0.0.json",
        "custom_generate/generate.jinja",
        ".hidden/model.safetensors",
    ],
)
def test_what_could_change_what_is_loaded_does_not_hold(copy: Path, name: str) -> None:
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).write_text("{}")
    found = verify(str(copy), level="load")
    expected = "what stock code loads" if name == "adapter_config.json" else name
    assert ("files", expected) in wrong(found)


def test_what_nothing_is_loaded_from_is_a_remark(copy: Path) -> None:
    other = ("additional_chat_templates/a.md", "model.gguf", "onnx/model.onnx")
    for name in (*other, "NOTES.txt", "LICENSE", "docs/a.md"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_text("")
    found = verify(str(copy), level="load")
    assert found.outcome is Outcome.IDENTICAL
    assert found.remarks[0] == (
        "nothing is loaded from: LICENSE, NOTES.txt, additional_chat_templates/a.md, docs/a.md, "
        "model.gguf, onnx/model.onnx"
    )


@pytest.mark.parametrize(
    ("file", "change", "what"),
    [
        ("config.json", {"transformers_weights": "zz.safetensors"}, "what stock code loads"),
        ("config.json", {"auto_map": {"AutoModel": "evil.Evil"}}, "loaded as published"),
        ("config.json", {"problem_type": "regression"}, "config.json.problem_type"),
        ("config.json", {"label2id": {"revision": 0}}, "config.json.label2id.revision"),
        ("generation_config.json", {"temperature": 0.1}, "generation_config.json"),
    ],
)
def test_other_settings_do_not_hold(copy: Path, file: str, change: dict, what: str) -> None:
    said = json.loads((copy / file).read_text()) if (copy / file).exists() else {}
    (copy / file).write_text(json.dumps(said | change))
    for level in ("load", "all"):
        assert what in {each for _, each in wrong(verify(str(copy), level=level))}


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("processor_config.json", "{}"),
        ("chat_template.jinja", "{{ evil }}"),
        ("tokenizer.json", "{}"),
        ("additional_chat_templates/x.jinja", "{{ evil }}"),
        ("vocab.txt", "a"),
    ],
)
def test_without_making_it_again_what_no_parent_gives_does_not_hold(
    copy: Path, file: str, text: str
) -> None:
    (copy / file).parent.mkdir(exist_ok=True)
    (copy / file).write_text(text)
    assert ("configuration", file) in wrong(verify(str(copy), level="load"))


def test_the_version_that_wrote_a_configuration_is_bookkeeping(copy: Path) -> None:
    said = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(said | {"transformers_version": "5.1.0"}))
    assert verify(str(copy)).outcome is Outcome.IDENTICAL


@pytest.mark.parametrize("version", ["4.57.1", "0", "", 5, None])
def test_versions_that_no_merge_is_written_by_do_not_hold(copy: Path, version: object) -> None:
    """Stock code decides by them how some tokenizers are read."""
    said = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(said | {"transformers_version": version}))
    found = wrong(verify(str(copy), level="load"))
    assert ("configuration", "config.json.transformers_version") in found


def test_defaults_that_another_version_writes_are_explained(copy: Path) -> None:
    """Those of the class left out, those of all classes written."""
    said = json.loads((copy / "config.json").read_text())
    default = type(AutoConfig.from_pretrained(copy))().to_dict()
    omitted = next(name for name, value in said.items() if default.get(name, ...) == value)
    written = {name: value for name, value in said.items() if name != omitted}
    written |= {"output_attentions": False, "transformers_version": "5.1.0"}
    (copy / "config.json").write_text(json.dumps(written))
    for level in ("load", "all"):
        found = verify(str(copy), level=level)
        assert found.outcome is Outcome.EQUIVALENT
        [check] = found.of(Outcome.EQUIVALENT)
        assert check.what == "config.json"
        assert f"writes: {omitted}, output_attentions" in str(check.why)


@pytest.mark.parametrize(
    "change", [{"output_attentions": True}, {"return_dict": 1}, {"unknown": None}, {"auto_map": {}}]
)
def test_no_default_explains_another_value(copy: Path, change: dict) -> None:
    said = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**said, "chunk_size_feed_forward": 0, **change}))
    found = wrong(verify(str(copy), level="load"))
    assert ("configuration", f"config.json.{next(iter(change))}") in found


def test_what_is_larger_than_it_has_to_be_is_not_read(copy: Path) -> None:
    with (copy / WEIGHTS).open("r+b") as file:
        file.truncate(220 << 20)  # a sparse file: nothing is written
    (copy / "README.md").write_text("x" * (3 << 20))
    found = verify(str(copy))
    assert {("files", WEIGHTS), ("files", "README.md")} <= wrong(found)
    (copy / "report.json").write_text(" " * (17 << 20))
    with pytest.raises(RecipeError, match="no file of a merge"):
        verify(str(copy))


def test_a_recipe_chooses_nothing_that_is_read(
    copy: Path, places: dict[str, Path], tmp_path: Path
) -> None:
    """A folder that cannot be listed would be noticed."""
    content = yaml.safe_load((copy / "hubmerge.yaml").read_text())
    content["models"] = [str(places["a"]), str(tmp_path / "secret")]
    (copy / "hubmerge.yaml").write_text(yaml.safe_dump(content))
    assert wrong(verify(str(copy))) == {("recipe", "model_a"), ("recipe", "model_b")}


def test_folders_are_found_by_their_content_alone(
    copy: Path, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another machine, where folders of the same names lie right here."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr("hubmerge.hub.known_folders._seen", {})
    here = tmp_path / "here"
    for name in "ab":
        shutil.copytree(places[name], here / name)
    monkeypatch.chdir(here)
    found = verify(str(copy))
    assert found.outcome is Outcome.NOT_CHECKED
    assert "'a' is a folder that is not known on this machine" in str(found.checks[-1].why)
    loaded = verify(str(copy), level="load")
    assert {check.part for check in loaded.of(Outcome.NOT_CHECKED)} == {"configuration"}
    with pytest.raises(RecipeError, match="is not a@local-"):
        verify(str(copy), folders={"a": here / "b", "b": here / "b"})
    with pytest.raises(RecipeError, match="made from no folder 'c'"):
        verify(str(copy), folders={"c": here / "b"})
    found = verify(str(copy), folders={"a": "a", "model_b": here / "b"})
    assert found.outcome is Outcome.IDENTICAL
    assert sum("was a folder of the publisher's" in remark for remark in found.remarks) == 2


def test_three_steps_along_signs_are_no_rounding(copy: Path) -> None:
    """Each a third of a thousandth of the largest element, which was the tolerance once."""
    tensors = load_file(copy / WEIGHTS)
    draw = torch.Generator().manual_seed(0)
    for value in tensors.values():
        signs = torch.randn(value.shape, generator=draw).sign()
        value += signs * value.abs().max() * 0.9e-3
    save_file(tensors, copy / WEIGHTS, {"format": "pt"})
    small_merges.rehash(copy, WEIGHTS)
    found = wrong(verify(str(copy)))
    assert {what for _, what in found} >= tensors.keys()


def test_figures_of_the_published_weights_themselves(measured: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(measured, tmp_path / "copy"))
    tensors = load_file(copy / WEIGHTS)
    save_file({name: -value for name, value in tensors.items()}, copy / WEIGHTS, {"format": "pt"})
    small_merges.rehash(copy, WEIGHTS)
    found = wrong(verify(str(copy), level="measure"))
    assert ("published", "contenders.merge.loss") in found
    assert {part for part, _ in found} == {"published"}


def test_a_row_more_does_not_hold_where_the_arithmetic_is_the_same(
    measured: Path, tmp_path: Path
) -> None:
    """It is within what another machine may find otherwise, whose losses would differ too."""
    copy = Path(shutil.copytree(measured, tmp_path / "copy"))
    scores = json.loads((copy / "report.json").read_text())["contenders"]
    scores["merge"]["accuracy"] += 1 / scores["merge"]["n"]
    scores["parent_b"]["accuracy"] -= 1 / scores["parent_b"]["n"]
    small_merges.rewrite_report(copy, contenders=scores)
    ours = ("published", "contenders.merge.accuracy")
    assert wrong(verify(str(copy), level="measure")) >= {ours}
    parts = {("contenders", f"contenders.{name}.accuracy") for name in ("merge", "parent_b")}
    assert wrong(verify(str(copy))) >= {ours, *parts}


OTHER_TORCH = {"torch": "2.7.0"}


def of_another_machine(folder: Path) -> dict:
    """The block of a report about a run, by another version of torch."""
    said = json.loads((folder / "report.json").read_text())["run"]
    return {**said, "versions": said["versions"] | OTHER_TORCH}


@pytest.mark.parametrize("scale", [1.0, 1 + 1e-7])
def test_a_row_more_takes_a_row_on_a_boundary_whatever_machine_is_claimed(
    measured: Path, tmp_path: Path, scale: float
) -> None:
    """With the loss as it is, or off by what rounding does, which is no more than that."""
    copy = Path(shutil.copytree(measured, tmp_path / "copy"))
    scores = json.loads((copy / "report.json").read_text())["contenders"]
    scores["merge"]["loss"] *= scale
    small_merges.rewrite_report(copy, run=of_another_machine(copy), contenders=scores)
    honest = verify(str(copy), level="measure")
    assert honest.outcome is (Outcome.IDENTICAL if scale == 1 else Outcome.EQUIVALENT)
    remarks = [each for each in honest.remarks if "tolerance of another machine" in each]
    assert [("torch 2.7.0 (here" in each and "published" in each) for each in remarks] == (
        [] if scale == 1 else [True]
    )
    scores["merge"]["accuracy"] += 1 / scores["merge"]["n"]
    small_merges.rewrite_report(copy, contenders=scores)
    found = wrong(verify(str(copy), level="measure"))
    assert ("published", "contenders.merge.accuracy") in found


def test_weights_that_are_nearly_those_take_another_machine(copy: Path) -> None:
    tensors = load_file(copy / WEIGHTS)
    draw = torch.Generator().manual_seed(0)
    for value in tensors.values():
        value += torch.randn(value.shape, generator=draw) * value.abs().max() * 1e-6
    save_file(tensors, copy / WEIGHTS, {"format": "pt"})
    small_merges.rehash(copy, WEIGHTS)
    found = verify(str(copy))
    assert {part for part, _ in wrong(found)} == {"weights"}
    assert any("the same libraries made them" in str(check.why) for check in found.checks)
    small_merges.rewrite_report(copy, run=of_another_machine(copy))
    found = verify(str(copy))
    assert found.outcome is Outcome.EQUIVALENT
    assert any("was used for" in each and "weights" in each for each in found.remarks)


@pytest.mark.parametrize("tails", [False, True])
def test_steps_along_a_gradient_are_seen_whatever_machine_is_claimed(
    measured: Path, places: dict[str, Path], tmp_path: Path, tails: bool
) -> None:
    """Along its signs, each within what another machine may do, and with tails as rounding has."""
    copy = Path(shutil.copytree(measured, tmp_path / "copy"))
    model = AutoModelForImageClassification.from_pretrained(copy)
    rows = pq.read_table(places["rows"] / "test.parquet").to_pydict()
    features, labels = (torch.tensor(rows[name]) for name in ("features", "label"))
    torch.nn.functional.cross_entropy(model(features=features).logits, labels).backward()
    draw = torch.Generator().manual_seed(0)
    tensors = load_file(copy / WEIGHTS)
    for name, value in model.named_parameters():
        size = torch.randn(value.shape, generator=draw).abs() if tails else 1
        step = value.grad.sign() * size * 60 * LAST_PLACE * value.abs().max()
        tensors[name] = (value + step).detach()
    save_file(tensors, copy / WEIGHTS, {"format": "pt"})
    small_merges.rehash(copy, WEIGHTS)
    small_merges.rewrite_report(copy, run=of_another_machine(copy))
    reasons = [str(check.why) for check in verify(str(copy)).of(Outcome.DOES_NOT_HOLD)]
    assert any("it moves loss as no difference does" in why for why in reasons)
    assert any("have one size" in why for why in reasons) is not tails


def test_a_written_recipe_names_no_place_and_finds_its_folders_again(
    unmeasured: Path, places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (unmeasured / "hubmerge.yaml").read_text()
    assert str(places["a"].parent) not in text
    models = yaml.safe_load(text)["models"]
    assert [model.split("@local-")[0] for model in models] == ["a", "b"]
    monkeypatch.chdir(tmp_path)
    again = hm.run(hm.read_recipe(unmeasured), hm.Destination(out=tmp_path / "again"))
    assert (again.folder / WEIGHTS).read_bytes() == (unmeasured / WEIGHTS).read_bytes()
    assert (again.folder / "hubmerge.yaml").read_text() == text
    assert again.report.limits[-1] == (
        "Parent A and parent B are folders of the publisher's, known by a hash of the content: "
        "only who has them can make this merge again."
    )
