"""Every benchmark runs from end to end on tiny models and prints the figure it is about."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest
import torch
from transformers import (
    PreTrainedModel,
    ResNetConfig,
    ResNetForImageClassification,
    ViTImageProcessor,
)

from hubmerge.demo.digits import NAMES, write_digits
from tests.helpers.example_report import example

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

pytestmark = [pytest.mark.slow, pytest.mark.benchmark]


def run(script: str, *options: str) -> str:
    """What the script prints."""
    command = [sys.executable, str(BENCHMARKS / script), "--quick", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def table(printed: str, first: str) -> list[dict[str, str]]:
    """The rows of the table whose headings begin with `first`."""
    lines = printed.splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(first + " "))
    headings = re.split(r"\s{2,}", lines[start])
    cells = [re.split(r"\s{2,}", line) for line in lines[start + 1 :]]
    return [dict(zip(headings, row, strict=True)) for row in cells if len(row) == len(headings)]


def test_the_baseline_and_the_matcher_solve_the_same_problem() -> None:
    rows = table(run("matching_time.py"), "model")
    assert {(row["model"], row["pair"], row["matcher"]) for row in rows} == set(
        product(("resnet50", "vit-b16"), ("planted", "independent"), ("descent", "weights"))
    )
    for row in rows:
        ours, plain = (float(row[f"objective {who}"]) for who in ("hubmerge", "plain"))
        near = 1e-5 if row["pair"] == "planted" else 0.05  # other starts, other local optima
        assert ours == pytest.approx(plain, rel=near)
        assert float(row["ratio"]) > 0


def test_every_kind_that_is_averaged_loads_whole() -> None:
    lines = run("beside_mergekit.py").splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    assert [one["how"] for one in found] == ["whole"] * 3


def test_frank_wolfe_is_compared_with_many_descents() -> None:
    rows = table(run("matching_quality.py", "--restarts", "2"), "pair")
    pairs = ("planted, noise 3", "planted, noise 4", "independent")
    methods = ("weights", "descent", "descent, best of 2", "plain loop")
    assert [(row["pair"], row["what"]) for row in rows] == list(product(pairs, methods))
    for first in range(0, len(rows), len(methods)):
        _, once, best, _ = (float(row["objective"]) for row in rows[first : first + 4])
        assert best >= once
    assert {row["recovered"] for row in rows if row["pair"] == "independent"} == {"-"}


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the script needs Linux")
@pytest.mark.parametrize("symmetry", ["permutations", "all"])
def test_matching_is_weighed_in_models(symmetry: str) -> None:
    rows = table(run("matching_memory.py", "--symmetry", symmetry), "model")
    assert [(row["model"], row["matcher"]) for row in rows] == list(
        product(("resnet50", "vit-b16"), ("descent", "weights"))
    )
    for row in rows:
        assert float(row["peak MB"]) >= float(row["before MB"]) > 50
        assert float(row["ratio"]) >= 0


def test_assignments_are_timed_against_scipy(tmp_path: Path) -> None:
    for seed, letter in enumerate("ab"):
        digit_resnet(seed).save_pretrained(tmp_path / letter)
    rows = table(run("assignment.py", str(tmp_path / "a"), str(tmp_path / "b")), "weights")
    assert {row["weights"] for row in rows} >= {"digits MLP"}
    for row in rows:
        assert float(row["ratio cold"]) > 0
        assert float(row["gap / (n eps max)"]) <= 1


@pytest.mark.parametrize("model", ["resnet50", "vit-b16"])
def test_a_merge_is_timed_against_reading_two_and_writing_one(model: str) -> None:
    rows = table(run("merge_time.py", "--model", model), "match")
    merge_s = {(row["match"], row["clock"]): float(row["merge s"]) for row in rows}
    for match in ("none", "weights"):
        assert merge_s[match, "wall"] > merge_s[match, "stages"] > 0
        assert merge_s[match, "cpu"] > 0


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the script needs Linux")
def test_a_merge_is_weighed_in_models() -> None:
    rows = table(run("merge_memory.py"), "match")
    assert [row["match"] for row in rows] == ["none", "weights"]
    for row in rows:
        peak, before = float(row["peak MB"]), float(row["after imports MB"])
        assert peak > before > 50
        assert float(row["merge MB"]) == pytest.approx(peak - before, abs=0.2)


def test_the_zoo_is_pushed_merged_and_measured(tmp_path: Path) -> None:
    for seed, letter in enumerate("ab"):
        folder = tmp_path / letter
        digit_resnet(seed).save_pretrained(folder)
        ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    write_digits(tmp_path / "digits")
    parents = ["--a", str(tmp_path / "a"), "--b", str(tmp_path / "b")]
    printed = run(
        "zoo.py", *parents, "--dataset", str(tmp_path / "digits"), "--match", "activations"
    )
    rows = {row["contender"]: row for row in table(printed, "contender")}
    assert list(rows) == ["parent_a", "parent_b", "naive", "merge", "ensemble"]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows.values())
    assert {row["n"] for row in rows.values()} == {"50"}
    assert re.search(r"barrier \(nats\)  naive -?[\d.]+  matched -?[\d.]+", printed)
    assert str(tmp_path) not in printed


def digit_resnet(seed: int) -> PreTrainedModel:
    """An untrained ResNet for the digits."""
    torch.manual_seed(seed)
    config = ResNetConfig(
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        id2label=dict(enumerate(NAMES)),
        label2id={name: number for number, name in enumerate(NAMES)},
    )
    return ResNetForImageClassification(config)


def test_three_models_are_merged_in_every_way_and_held_against_the_best() -> None:
    printed = run("many.py", "--family", "mlp")
    rows = table(printed, "family")
    assert {(row["multi_match"], row["match"]) for row in rows} == {
        ("standard", "auto"),
        ("cycle-consistent", "activations"),
        ("star", "activations"),
        ("cycle-consistent", "weights"),
        ("merge-many", "weights"),
        ("star", "weights"),
    }
    assert printed.count("$ hubmerge merge mlp-a mlp-b mlp-c --dataset digits") == len(rows)
    for row in rows:
        apart = float(row["merge"]) - float(row["best parent"])
        assert float(row["difference"]) == pytest.approx(apart, abs=2e-4)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the script needs Linux")
def test_fusions_are_weighed_in_evaluation_passes() -> None:
    names = ("average", "ties", "fisher")
    rows = table(run("fusions.py", "--family", "mlp", "--fuse", *names), "fusion")
    assert [(row["fusion"], row["needs"]) for row in rows] == [
        ("average", "data-free"),
        ("ties", "data-free"),
        ("fisher", "label-free"),
    ]
    passes = [float(row["passes"]) for row in rows]
    assert passes[2] > passes[0]


def test_less_and_more_scaling_is_compared() -> None:
    rows = table(run("scales.py", "--family", "mlp"), "family")
    assert [row["seeds"] for row in rows] == ["1 and 2", "3 and 4"]
    for row in rows:
        assert row["scales"] == row["all"] != row["maps"]  # no batch norm


def test_queries_and_keys_are_turned_or_left_alone() -> None:
    rows = table(run("rotary.py"), "4 queries")
    kinds = product(("2 keys", "4 keys"), ("weights", "activations"))
    assert [(row["4 queries"], row["matcher"]) for row in rows] == [*kinds]
    for row in rows:
        assert len({row[way] for way in ("permuted", "all but turns", "all")}) == 3
        assert all(0 < float(row[way]) < 4 for way in ("parents", "permuted", "all"))


def test_merges_are_checked_by_another_arithmetic() -> None:
    (row,) = table(run("arithmetic.py", "--family", "mlp"), "family")
    assert row["verify"] in ("identical", "equivalent")
    assert float(row["of allowed"]) <= 1
    assert float(row["figures of allowed"]) <= 1


def test_heads_are_merged_by_the_three_matchers_of_git_re_basin(tmp_path: Path) -> None:
    write_digits(tmp_path / "pixels")
    rows = table(run("heads.py", "--dataset", str(tmp_path / "pixels")), "data")
    matchers = ("activations", "weights", "straight-through")
    assert [(row["data"], row["match"]) for row in rows] == [
        *product(("digits", "pixels"), matchers)
    ]
    for row in rows:
        mean = (float(row["parent A"]) + float(row["parent B"])) / 2
        assert float(row["minus mean"]) == pytest.approx(float(row["merge"]) - mean, abs=2e-4)
        assert abs(float(row["loss minus mean"])) < 3
        assert float(row["excess"]) < float(row["naive excess"])


def test_a_merge_is_set_against_the_mean_of_its_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    *accuracies, gained, lost, naive, matched, calibrated = import_module("heads").figures(
        example()
    )
    assert accuracies == ["0.8950", "0.8900", "0.2000", "0.8930"]
    assert (gained, lost) == ("+0.0005", "+0.0225")  # 3/4 of .57 - (.52 + .56) / 2
    assert (naive, matched, calibrated) == ("2.0000", "0.0500", "0.0375")


def test_simplexes_are_compared_and_a_complex_is_drawn(tmp_path: Path) -> None:
    printed = run("simplexes.py", "--draw", str(tmp_path / "complex.png"))
    rows = table(printed, "family")
    assert [row["models"] for row in rows] == ["3"] * 3
    assert {row["aligned"] for row in rows} == {
        "cycle-consistent",
        "cycle-consistent, refined",
        "star",
    }
    assert "faces tried 3" in printed or "faces tried 4" in printed
    assert (tmp_path / "complex.png").read_bytes().startswith(b"\x89PNG")


def test_split_training_is_tabled() -> None:
    rows = table(run("split.py", "--family", "mlp"), "family")
    loss = {row["contender"]: float(row["loss"]) for row in rows}
    assert len(loss) == 8
    assert loss["trained on everything"] < loss["parent, mostly 0 to 4"]


def test_joining_disjoint_classes_is_tabled() -> None:
    rows = table(run("joined.py", "--family", "mlp"), "family")
    accuracy = {row["contender"]: float(row["accuracy"]) for row in rows}
    assert len(accuracy) == 7
    assert accuracy["merge, least-squares"] > accuracy["parent, 0 to 4"]


def test_barriers_are_measured_over_width_and_training(tmp_path: Path) -> None:
    rows = table(run("mergeable.py", "--draw", str(tmp_path / "drawn.png")), "width")
    assert [(row["width"], row["epochs"]) for row in rows] == [("8", "1"), ("8", "0")]
    assert (tmp_path / "drawn.png").read_bytes().startswith(b"\x89PNG")


def test_a_small_crowd_loses_and_mixes_up_nothing(tmp_path: Path) -> None:
    command = [sys.executable, str(BENCHMARKS / "space_load.py"), "--people", "3"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout[done.stdout.rindex("\n{") :])
    assert figures["outcomes"] == {"done": 3}
    assert figures["not_their_own"] == 0
    assert figures["results_on_disk"] == 3


def test_starting_up_is_timed_against_importing_the_libraries() -> None:
    rows = {row["command"]: float(row["cpu s"]) for row in table(run("startup.py"), "command")}
    assert {name.partition(" A B")[0] for name in rows} >= {
        "hubmerge --help",
        "hubmerge plan",
        "hubmerge plan --quick",
    }
    assert all(seconds > 0 for seconds in rows.values())


def test_streaming() -> None:
    rows = table(run("streaming.py"), "work")
    assert [row["work"] for row in rows] == ["average", "ties"]
    assert all(float(row["MB"]) > 0 for row in rows)


def test_encoders_that_were_trained_apart_are_merged() -> None:
    rows = {row["contender"]: row for row in table(run("encoders.py"), "contender")}
    ways = ("permutations", "every symmetry", "every symmetry, least squares")
    assert list(rows) == ["parent A", "parent B", "ensemble", "naive average", *ways]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows.values())


def test_language_models_that_were_trained_apart_are_merged() -> None:
    _, *tables = re.split(r"^(?:gpt2|llama): ", run("language.py"), flags=re.MULTILINE)
    assert len(tables) == 2
    for printed in tables:
        rows = {row["contender"]: row for row in table(printed, "contender")}
        assert {"bigram model", "parent A", "learned, average", "parent A refined"} <= set(rows)
        assert all(float(row["loss"]) > 0 for row in rows.values())


def test_fine_tunes_are_merged_in_every_way() -> None:
    rows = table(run("finetunes.py", "--fuse", "ties", "tsv-m", "esm", "adamerging"), "fusion")
    single, base, *ways = rows
    assert (single["default"], base["fusion"]) == ("100.0", "base, tasks' heads")
    assert {row["fusion"].split()[0] for row in ways} == {"ties", "tsv-m", "esm", "adamerging"}
    assert all(float(row["default"]) > 0 for row in ways)
