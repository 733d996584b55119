"""Paths through weight space, as geometry."""

from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from hubmerge.landscape.curves.methods.band import across, spread
from hubmerge.landscape.geometry.chain import (
    Chain,
    bernstein,
    difference,
    distance,
    hats,
    inner,
    mixed,
    straight,
)

SHARES = {"bezier": bernstein, "polygon": hats}


def state(seed):
    torch.manual_seed(seed)
    return {"w": torch.randn(3, 4), "b": torch.randn(5), "n": torch.tensor(seed)}


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
@pytest.mark.parametrize("count", [2, 3, 6])
def test_shares_add_up_and_ends_are_ends(shares, count):
    for place in torch.linspace(0, 1, 21).tolist():
        found = shares(place, count)
        assert sum(found) == pytest.approx(1)
        assert min(found) >= 0
    first = [1.0, *[0.0] * (count - 1)]
    assert shares(0.0, count) == first
    assert shares(1.0, count) == first[::-1]


@pytest.mark.parametrize("shares", SHARES.values(), ids=SHARES)
def test_a_path_over_even_points_of_a_line_is_that_line(shares):
    first, last = state(1), state(2)
    chain = Chain(straight(first, last, 4), shares)
    for place in (0.0, 0.3, 0.5, 1.0):
        assert_close(chain.state(place)["w"], torch.lerp(first["w"], last["w"], place))
    assert chain.length() == pytest.approx(distance(first, last), rel=1e-4)
    assert chain.state(0.5)["n"] == 1


def test_the_ends_of_a_path_are_the_very_ends():
    chain = Chain((state(1), state(2), state(3)), bernstein)
    for place, end in ((0.0, 1), (1.0, 3)):
        assert all(torch.equal(value, state(end)[n]) for n, value in chain.state(place).items())


def test_a_detour_is_longer():
    first, last = state(1), state(2)
    assert Chain((first, state(3), last), hats).length() > 1.1 * distance(first, last)


def test_a_band_is_pulled_across_its_path_alone():
    chain = Chain((state(1), state(2), state(3)), hats)
    slope = difference(state(4), state(5))
    for losses in ([3.0, 1.0, 0.0], [0.0, 1.0, 3.0]):
        (pull,) = across(chain, [slope], losses)
        higher = chain.points[0] if losses[0] > losses[2] else chain.points[2]
        along = difference(higher, chain.points[1])
        assert inner(pull, along) == pytest.approx(0, abs=1e-4)
        assert inner(pull, pull) < inner(slope, slope)


def test_pivots_are_spread_evenly_along_the_same_path():
    first, last = state(1), state(2)
    near = mixed((first, last), (0.9, 0.1))
    nearer = mixed((first, last), (0.95, 0.05))
    even = spread(Chain((first, nearer, near, last), hats))
    for number in range(1, 3):
        wanted = torch.lerp(first["w"], last["w"], number / 3)
        assert_close(even.points[number]["w"], wanted, atol=1e-5, rtol=1e-5)


def test_a_path_of_no_length_stays_as_it_is():
    chain = Chain((state(1), state(1), state(1)), hats)
    assert spread(chain) == chain
