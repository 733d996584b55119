"""The axis notation: every legal string beside its illegal neighbours."""

from __future__ import annotations

from math import prod

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hubmerge.errors import SpecError
from hubmerge.specs.notation import Axis, Product, axis_size, lay_out, parse

NEIGHBOURS = [
    # legal, as it is written back, illegal neighbours with what their error points at
    ("resid", "resid", [("res-id", 4), ("resid,", 6), ("résid", 2)]),
    ("a b", "a b", [("a + b", 3), ("a, b", 2), ("a . b", 3), ("a = b", 3)]),
    ("(a b)", "(a b)", [("(a b", 1), ("a b)", 4), ("(a b))", 6), ("[a b]", 1)]),
    ("(a + b)", "(a + b)", [("(a +)", 5), ("(+ b)", 2), ("(a + + b)", 6), ("(a + b", 1)]),
    ("((a) b)", "(a b)", [("(() b)", 3), ("()", 2)]),
    ("mid 1 kh kw", "mid 1 kh kw", [("mid 0 kh kw", 5), ("mid -1", 5), ("mid 1.5", 6)]),
    ("a2 12", "a2 12", [("2a 12", 1), ("a2 1_2", 4), ("a2 012", 4)]),
    ("(h (r + r + v)) x", "(h (r + r + v)) x", [("(h (r + r + v) x", 1), ("(h r + r + v)) x", 14)]),
    ("* * x", "* * x", [("** /", 4)]),
    ("", "", [("+", 1), (")", 1), ("(", 1)]),
]


@pytest.mark.parametrize(("legal", "written"), [each[:2] for each in NEIGHBOURS])
def test_what_is_legal_is_read_and_written_back(legal, written):
    axes = parse(legal)
    assert " ".join(map(str, axes)) == written
    assert " ".join(map(str, parse(written))) == written


@pytest.mark.parametrize(
    ("illegal", "column"), [pair for each in NEIGHBOURS for pair in each[2]], ids=lambda x: str(x)
)
def test_its_neighbours_are_refused_where_they_go_wrong(illegal, column):
    with pytest.raises(SpecError) as refused:
        parse(illegal)
    text = str(refused.value)
    assert f'"{illegal}" cannot be read' in text
    assert f"at character {column}" in text
    assert "+ to lay end to end" in text


def test_blanks_do_not_matter():
    assert parse(" (a  b)c ") == parse("(a b) c")
    assert parse("(a+b)") == parse("( a + b )")
    assert parse("\t") == ()


def test_names_come_in_order_with_repetitions():
    (axis,) = parse("(head qk + head qk + 3 + (a + vo))")
    assert list(axis.names()) == ["head", "qk", "head", "qk", "a", "vo"]


def test_renaming_renames_inside_groups():
    (axis,) = parse("(h (r + r + v))")
    assert str(axis.rename({"h": "block.h", "r": "block.r"})) == "(block.h (block.r + block.r + v))"


SIZES = {"a": 2, "b": 3, "c": 5, "d": 1}

LONGEST = 100_000
"""Of an axis whose every position is counted: what can be drawn may be longer than any memory."""


def axes_of(depth: int):
    leaf = st.one_of(st.sampled_from(list(SIZES)), st.integers(1, 4))
    factor = st.one_of(leaf, st.deferred(lambda: axes_of(depth - 1))) if depth else leaf
    part = st.lists(factor, min_size=1, max_size=3).map(lambda fs: Product(tuple(fs)))
    return st.lists(part, min_size=1, max_size=3).map(lambda ps: Axis(tuple(ps)))


@given(axes_of(2).filter(lambda axis: axis_size(axis, SIZES) <= LONGEST))
@settings(max_examples=60, deadline=None)
def test_segments_tile_the_axis(axis):
    """Every position along the axis belongs to exactly one segment."""
    covered: list[int] = []
    for segment in lay_out(axis, SIZES):
        there = [segment.offset]
        for grid in segment.grids:
            there = [p + grid.stride * k for p in there for k in range(grid.size)]
        assert len(there) == prod(segment.shape)
        covered += there
    assert sorted(covered) == list(range(axis_size(axis, SIZES)))


@given(axes_of(2).filter(lambda axis: axis_size(axis, SIZES) <= LONGEST))
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_back(axis):
    """Up to brackets that hold a single factor, which mean nothing."""
    (again,) = parse(str(axis))
    assert str(again) == str(axis)
    assert lay_out(again, SIZES) == lay_out(axis, SIZES)


def test_the_last_factor_runs_fastest_and_parts_lie_end_to_end():
    (axis,) = parse("(a b + c)")
    first, second = lay_out(axis, SIZES)
    assert (first.offset, first.shape, [g.stride for g in first.grids]) == (0, (2, 3), [3, 1])
    assert (second.offset, second.shape, [g.stride for g in second.grids]) == (6, (5,), [1])


def test_interleaved_parts_keep_the_outer_stride():
    (axis,) = parse("(a (b + b + c))")
    segments = lay_out(axis, SIZES)
    assert [s.offset for s in segments] == [0, 3, 6]
    assert {tuple(g.stride for g in s.grids) for s in segments} == {(11, 1)}
