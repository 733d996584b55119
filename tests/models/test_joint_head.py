"""Which output of one head stands for what, and which parent knows it."""

from __future__ import annotations

import pytest

from hubmerge.data.reading import answers_of
from hubmerge.errors import LabelError
from hubmerge.models.joint_head import heads_of
from hubmerge.models.label_outputs import Answers
from hubmerge.recipe import CONCAT, JOIN, SAME

CATS, DOGS = ["cat", "lion", "lynx"], ["fox", "lion", "dog"]


def test_joined_labels_are_those_of_the_first_and_then_the_new_ones_of_each():
    heads = heads_of(JOIN, [CATS, DOGS, ["wolf", "cat"]])
    assert heads.outputs == heads.labels == ("cat", "lion", "lynx", "fox", "dog", "wolf")
    assert heads.rows == (
        (0, 1, 2, None, None, None),
        (None, 1, None, 0, 2, None),
        (1, None, None, None, None, 0),
    )
    assert heads.known(1) == heads.labels_of(1) == [3, 1, 4]
    assert heads.known(2) == [5, 0]
    assert heads.shared == 2


def test_names_are_one_whatever_case_spaces_and_underscores_they_have():
    heads = heads_of(JOIN, [["Sea Lion", "cat"], ["sea_lion", "Dog"]])
    assert heads.outputs == ("Sea Lion", "cat", "Dog")


@pytest.mark.parametrize("other", [CATS, CATS[::-1]], ids=["equal", "in another order"])
def test_one_label_set_needs_no_joining(other):
    assert heads_of(JOIN, [CATS, other]) is None
    assert heads_of(SAME, [CATS, other]) is None


def test_one_label_set_in_two_spellings_is_joined():
    heads = heads_of(JOIN, [["Sea Lion", "cat"], ["CAT", "sea_lion"]])
    assert (heads.outputs, heads.rows) == (("Sea Lion", "cat"), ((0, 1), (1, 0)))


def test_apart_every_output_of_every_parent_stays_and_equal_names_are_marked():
    heads = heads_of(CONCAT, [CATS, DOGS])
    assert heads.outputs == ("cat", "lion (A)", "lynx", "fox", "lion (B)", "dog")
    assert heads.labels == ("cat", "lion", "lynx", "fox", "dog")
    assert heads.stands_for == (0, 1, 2, 3, 1, 4)
    assert heads.rows == ((0, 1, 2, None, None, None), (None, None, None, 0, 1, 2))
    assert (heads.known(1), heads.labels_of(1)) == ([3, 4, 5], [3, 1, 4])


def test_apart_with_nothing_in_common_is_joined():
    apart, joined = (heads_of(kind, [["cat"], ["dog", "fox"]]) for kind in (CONCAT, JOIN))
    assert (apart.outputs, apart.rows) == (joined.outputs, joined.rows)


def test_a_base_gives_its_rows_to_the_labels_it_knows():
    base = ["dog", "plant", "lion"]
    assert heads_of(JOIN, [CATS, DOGS]).rows_of(base) == (None, 2, None, None, 0)
    assert heads_of(CONCAT, [CATS, DOGS]).rows_of(base) == (None, 2, None, None, 2, 0)


@pytest.mark.parametrize("kind", [JOIN, CONCAT])
@pytest.mark.parametrize(
    ("labels", "quoted"),
    [(["cat", "LABEL_1"], "'LABEL_1'"), (["crane", "cat", "Crane"], "'crane', 'Crane'")],
)
def test_names_that_do_not_say_which_labels_are_one_are_refused(kind, labels, quoted):
    with pytest.raises(LabelError, match=r"\bB\b") as refused:
        heads_of(kind, [CATS, labels])
    assert refused.value.found == quoted


def test_a_mark_that_makes_two_names_one_is_refused():
    with pytest.raises(LabelError, match="marked"):
        heads_of(CONCAT, [["cat", "cat (B)"], ["cat"]])


def test_each_parents_own_outputs_answer_its_labels_in_its_order():
    heads = heads_of(JOIN, [CATS, DOGS])
    assert answers_of(heads) == Answers((0, 1, 2, 3, 4), 5)
    assert answers_of(heads).plain
    assert answers_of(heads, 1) == Answers((3, 1, 4), 5)
