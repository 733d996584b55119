"""The terminal's form, and the files."""

import pytest

from hubmerge.errors.wording import PYTHON, render
from hubmerge.reporting.barrier_text import barrier_sentence
from hubmerge.reporting.card import render_card
from hubmerge.reporting.next_steps import LEARN, LONGER, REFINE, REFIT, next_steps
from hubmerge.reporting.schema.barriers import Barriers, OnTraining
from hubmerge.reporting.schema.base import RowSetRecord
from hubmerge.reporting.schema.method import Attempt
from hubmerge.reporting.schema.refinement import RefinedRecord, RefinementRecord
from hubmerge.reporting.schema.report import PublishedRecord, Report
from hubmerge.reporting.text import render_text
from hubmerge.reporting.write import write_report
from tests.helpers.example_report import bounded, curve, example, parent, unmeasured


def test_the_verdict_stands_first_and_columns_line_up(tmp_path):
    text = render_text(example(), tmp_path)
    assert text.splitlines()[0] == example().verdict_sentence
    table = text.split("\n\n")[1].splitlines()
    assert len(table) == 6
    assert len({len(line) for line in table}) == 1
    assert str(tmp_path / "report.json") in text


def test_without_data_there_is_no_table():
    text = render_text(unmeasured())
    assert "Cannot tell" in text
    assert "accuracy" not in text


def test_published_models_are_named():
    published = PublishedRecord(id="org/both", url="http://hub.example/org/both", private=True)
    assert "http://hub.example/org/both" in render_text(example(published=published))


def test_no_terminal_escape_comes_through():
    nasty = "\x1b]0;title\x07\nsecond"
    models = [parent(nasty, "a"), parent("org/right", "b")]
    text = render_text(example(models=models, limits=[nasty], verdict_sentence=nasty))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "\nsecond" not in text


def test_files_are_written_and_named(tmp_path):
    files = write_report(example(), tmp_path, "org/both")
    assert sorted(files) == sorted(tmp_path.iterdir())
    named = {file.name for file in files}
    assert named == {"README.md", "badge.svg", "barrier.png", "report.json"}
    assert Report.read(tmp_path) == example()


def test_without_curves_no_picture_is_written_or_shown(tmp_path):
    files = write_report(unmeasured(), tmp_path)
    assert {file.name for file in files} == {"README.md", "badge.svg", "report.json"}
    assert "barrier.png" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("naive", "matched", "says"),
    [
        (
            2.0,
            0.05,
            ["A barrier on", "largest excess loss 0.050 (0.045 to 0.055) nats", "without matching"],
        ),
        (
            2.0,
            -0.01,
            [
                "No barrier on",
                "loss lower throughout by at least 0.010 (0.009 to 0.011) nats",
                "without matching largest excess loss 2.000 (1.800 to 2.200) nats",
            ],
        ),
        (2.0, None, ["A barrier on", "largest excess loss 2.000"]),
        (None, None, ["not measured"]),
    ],
)
def test_the_barrier_in_words(naive, matched, says):
    curves = {
        name: None if height is None else curve(height)
        for name, height in (("naive", naive), ("matched", matched))
    }
    sentence = barrier_sentence(example(barrier=Barriers.of(**curves)))
    assert all(words in sentence for words in says)


def test_a_path_that_was_left_out_is_said_to_be():
    report = example(barrier=Barriers.of(naive=None, matched=None, left_out=True))
    said = "The loss barrier was not measured: the recipe leaves the path between the parents out."
    assert barrier_sentence(report) == said
    card = render_card(report)
    assert said in card
    assert "The barrier in figures" not in card
    assert said in render_text(report)


@pytest.mark.parametrize(
    ("calibrated", "claim"),
    [
        (bounded(0.0, 0.009), "No barrier"),
        (bounded(0.0, 0.011), "Cannot tell whether there is a barrier"),
        (bounded(0.02, 0.021), "Cannot tell whether there is a barrier"),
        (bounded(0.02, 0.019), "A barrier"),
        (None, "Cannot tell whether there is a barrier"),
    ],
)
def test_a_barrier_is_claimed_or_denied_by_the_calibrated_bounds_alone(calibrated, claim):
    low = curve(-0.5).model_copy(update={"calibrated_barrier": calibrated})
    report = example(barrier=Barriers.of(naive=curve(2.0), matched=low))
    assert barrier_sentence(report).startswith(f"{claim} on the straight path")
    assert f"\n{claim} on the straight path" in render_card(report)


def test_an_open_maximum_is_said_to_be_open():
    open_ = bounded(0.1).model_copy(update={"settled": False})
    found = curve(0.1).model_copy(update={"error_barrier": open_})
    report = example(barrier=Barriers.of(naive=None, matched=found))
    assert "The maximum of the error rate may lie between the 11 points." in barrier_sentence(
        report
    )
    assert "may lie between" not in barrier_sentence(example())


def test_training_rows_are_called_so_everywhere():
    rows = RowSetRecord(split="train", rows=300, available=5000, fingerprint="4" * 16)
    low = curve(0.01, n=300)
    training = OnTraining.of(rows, 40, naive=curve(1.5, n=300), matched=low)
    plain = example()
    bars = plain.barrier.model_copy(update={"training": training})
    report = example(barrier=bars)
    card, text = render_card(report), render_text(report)
    for shown in (card, text):
        assert "300 of split train, of which 40 are calibration rows" in shown.replace("&#32;", " ")
        assert "not affect the verdict" in shown
    assert card.count("| 300 training |") == 2
    assert card.count("| 1,000 test |") == 2
    assert "training rows: loss barrier 0.010" in text
    assert (report.verdict, report.verdict_sentence) == (plain.verdict, plain.verdict_sentence)
    assert Report.model_validate_json(report.to_json()) == report
    assert '"training"' not in plain.to_json()


def worse(kind="permute", **method):
    """A merge that lost to its parents, made in the example's way but for `method`."""
    made = example().method
    spaces = [space.model_copy(update={"kind": kind}) for space in made.spaces]
    return example(verdict="worse", method=made.model_copy(update={"spaces": spaces, **method}))


NOTHING_GAINED = RefinedRecord(
    steps=300,
    best_step=0,
    divergence_before=0.1,
    divergence_after=0.1,
    loss_before=0.5,
    loss_after=0.5,
    kept=False,
)
REFINED = RefinementRecord(refine="distill", steps=300, merge=NOTHING_GAINED)
PERMUTED = Attempt(
    way="", match="activations", symmetry="permutations", loss=1, accuracy=0.5, chosen=True
)


@pytest.mark.parametrize(
    ("method", "steps"),
    [
        ({}, [REFIT, REFINE]),
        ({"kind": "rotate"}, [REFIT, REFINE, LEARN]),
        ({"tried": [PERMUTED]}, [REFIT, REFINE, LEARN]),
        ({"kind": "linear", "fuse": "least-squares"}, [REFINE, LEARN]),
        ({"kind": "rotate", "match": "learned"}, [REFINE, LONGER]),
        ({"match": "straight-through"}, [REFIT, REFINE]),
        ({"refine": REFINED}, [REFIT]),
        ({"part": "vit."}, [REFIT]),
        ({"match": "none", "spaces": []}, []),
    ],
)
def test_a_merge_that_lost_says_what_it_has_not_used(method, steps):
    assert next_steps(worse(**method)) == steps
    text = render_text(worse(**method))
    assert all(f"\n- {render(step, PYTHON)}" in text for step in steps)
    assert ("What may improve the merge" in text) == bool(steps)


@pytest.mark.parametrize(
    ("task", "said"),
    [("image-classification", "loss 0.500 to 2.000"), ("fill-mask", "perplexity 1.649 to 7.389")],
)
def test_a_refinement_is_told_in_the_words_of_the_task(task, said):
    refine = RefinementRecord(
        refine="distill", steps=300, merge=NOTHING_GAINED.model_copy(update={"loss_after": 2.0})
    )
    plain = example()
    report = example(
        merged=plain.merged.model_copy(update={"task": task}),
        method=plain.method.model_copy(update={"refine": refine}),
    )
    assert all(said in text for text in (render_text(report), render_card(report)))


def test_a_merge_that_did_not_lose_is_left_in_peace():
    assert next_steps(example()) == next_steps(unmeasured()) == []
    assert "What may improve the merge" not in render_text(example())


def test_learning_is_for_two():
    three = [parent(f"org/{name}", name) for name in "abc"]
    assert next_steps(worse("rotate").model_copy(update={"models": three})) == [REFIT, REFINE]
