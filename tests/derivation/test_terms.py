"""Axes are unified as views, slices and products demand, and pinned where nothing can be said."""

from __future__ import annotations

from hubmerge.derivation.terms import (
    Term,
    atoms,
    between,
    end_to_end,
    factors,
    pin,
    product,
    regroup,
    separate,
    unify,
)


def test_a_view_that_is_undone_gives_the_same_axis() -> None:
    units = Term(12)
    dims = regroup([Term(2, "data"), units], [2, 3, 4])
    assert dims is not None
    merged = regroup(dims, [2, 12])
    assert merged is not None
    assert [a.size for a in atoms(merged[1])] == [3, 4]
    assert [*atoms(units)] == [*atoms(merged[1])]


def test_two_splits_of_one_axis_agree_on_the_factors_of_both() -> None:
    one, other = Term(24), Term(24)
    assert regroup([one], [2, 12]) is not None
    assert regroup([other], [6, 4]) is not None
    unify(one, other)
    assert [f.size for f in factors(one)] == [2, 3, 4] == [f.size for f in factors(other)]
    assert [f.root for f in factors(one)] == [f.root for f in factors(other)]


def test_factors_that_do_not_nest_are_pinned() -> None:
    one, other = Term(12), Term(12)
    regroup([one], [3, 4])
    regroup([other], [4, 3])
    unify(one, other)
    assert all(atom.why for term in (one, other) for atom in atoms(term))


def test_a_slice_cuts_along_the_outermost_factor_alone() -> None:
    head, inside = Term(4), Term(8)
    axis = product([head, inside])
    half = between(axis, 16, 32)
    assert half is not None
    assert [a.size for a in atoms(half)] == [2, 8]
    assert between(product([Term(4), Term(8)]), 3, 32) is None


def test_halves_laid_end_to_end_in_turn_share_one_order() -> None:
    x, y = Term(4), Term(4)
    unify(end_to_end([x, y]), end_to_end([y, x]))
    assert x.root is y.root
    assert x.root.why is None


def test_what_is_unified_with_something_pinned_is_pinned_for_its_reason() -> None:
    free, fixed = Term(5), Term(5, "data")
    unify(free, fixed)
    pin(fixed, "later")
    assert free.root.why == "data"


def test_sizes_that_differ_are_never_one() -> None:
    one, other = Term(5), Term(6)
    unify(one, other, "odd")
    assert (one.root.why, other.root.why) == ("odd", "odd")


def test_fused_parts_that_are_taken_one_by_one_get_orders_of_their_own() -> None:
    fused = Term(24)
    dims = regroup([fused], [3, 2, 4])
    assert dims is not None
    copies = separate(dims[0])
    assert copies is not None
    assert len(copies) == 3
    assert [a.size for a in atoms(fused)] == [2, 4] * 3
    assert len(set(atoms(fused))) == 6
