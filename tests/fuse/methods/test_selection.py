"""The largest entries are those that sorting finds, ties included."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from hubmerge.fuse._selection import largest

SIZES = st.lists(
    st.one_of(st.sampled_from([0.0, 1.0, 1e-40, 3e38]), st.floats(0, 1e3, width=32)), max_size=40
)


@given(SIZES, st.integers(0, 45))
def test_it_is_what_a_stable_sort_puts_first(values: list[float], count: int) -> None:
    for dtype in (torch.float32, torch.float64):
        sizes = torch.tensor(values, dtype=dtype)
        order = sizes.argsort(descending=True, stable=True)
        assert largest(sizes, count).nonzero().flatten().tolist() == sorted(order[:count].tolist())
        rising = sizes.argsort(stable=True).flip(0)
        assert largest(sizes, count, last=True).nonzero().flatten().tolist() == sorted(
            rising[:count].tolist()
        )
