"""The terminal's form, and the files."""

import pytest

from hubmerge.reporting.figures import barrier_sentence
from hubmerge.reporting.schema import Barriers, Published, Report
from hubmerge.reporting.text import render_text
from hubmerge.reporting.write import write_report
from tests.report.example import curve, example, parent, unmeasured


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
    published = Published(id="org/both", url="http://hub.example/org/both", private=True)
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
    assert {file.name for file in files} == {"README.md", "barrier.png", "report.json"}
    assert Report.read(tmp_path) == example()


def test_without_curves_no_picture_is_written_or_shown(tmp_path):
    files = write_report(unmeasured(), tmp_path)
    assert {file.name for file in files} == {"README.md", "report.json"}
    assert "barrier.png" not in (tmp_path / "README.md").read_text()


@pytest.mark.parametrize(
    ("naive", "matched", "says"),
    [
        (2.0, 0.05, ["rises by at most 0.050", "0.045 to 0.055", "matching it rises by at most 2"]),
        (2.0, -0.01, ["never rises (barrier −0.010 nats)", "at most 2.000"]),
        (2.0, None, ["the loss rises by at most 2.000 nats."]),
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
