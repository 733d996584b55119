"""A task file of a data set is data: nothing in it runs, and it names no other file."""

from __future__ import annotations

import pytest

from hubmerge.errors import RecipeError
from hubmerge.evaluation.harness.task_files import read_task_file

GOOD = """
task: quiz
test_split: test
output_type: multiple_choice
doc_to_text: "{{ question | trim }}\\nAnswer:"
doc_to_choice: "{{ [a, b[0], rows['c']] }}"
doc_to_target: label
metric_list:
  - metric: acc
"""


FOLDER = "/downloads/quiz"


def test_its_rows_are_those_of_its_data_set() -> None:
    found = read_task_file(GOOD, "o/quiz", FOLDER)
    assert found["dataset_path"] == FOLDER
    assert found["task"] == "quiz"


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("doc_to_text: !function utils.run", "doc_to_text: x"),
        ("process_docs: os.system", "doc_to_text: x"),
        ("include: /etc/passwd", "doc_to_text: x"),
        ("dataset_path: /etc", "doc_to_text: x"),
        ('doc_to_text: "{{ q.__class__ }}"', "doc_to_text: x"),
        ("doc_to_text: \"{{ q['__class__'] }}\"", "doc_to_text: x"),
        ("doc_to_text: \"{{ q['__cla' + 'ss__'] }}\"", "doc_to_text: x"),
        ("doc_to_text: \"{{ q | attr('x') }}\"", "doc_to_text: x"),
        ('doc_to_text: "{{ range(9) }}"', "doc_to_text: x"),
        ("doc_to_text: \"{{ 'a' * 999999999 }}\"", "doc_to_text: x"),
        ("doc_to_text: \"{% include '/etc/passwd' %}\"", "doc_to_text: x"),
        ('doc_to_text: "{{"', "doc_to_text: x"),
        ("metric_list: [{metric: o/runs-code}]", "metric_list: [{metric: acc}]"),
        ("metric_list: acc", "metric_list: [{metric: acc}]"),
        ("output_type: os.system", "output_type: multiple_choice"),
        ("task: [1]", "task: quiz"),
    ],
)
def test_what_is_more_than_data_is_refused(wrong: str, right: str) -> None:
    field = wrong.partition(":")[0]
    plain = {
        "task": "quiz",
        "output_type": "multiple_choice",
        "metric_list": "[{metric: acc}]",
    }
    plain.pop(field, None)
    rest = "\n".join(f"{name}: {value}" for name, value in plain.items())
    assert read_task_file(f"{rest}\n{right}\n", "o/quiz", FOLDER)
    with pytest.raises(RecipeError, match=r"task\.yaml of o/quiz"):
        read_task_file(f"{rest}\n{wrong}\n", "o/quiz", FOLDER)


def test_no_text_is_too_long_or_no_yaml() -> None:
    for text in ("x" * 70_000, "a: [", ""):
        with pytest.raises(RecipeError):
            read_task_file(text, "o/quiz", FOLDER)
