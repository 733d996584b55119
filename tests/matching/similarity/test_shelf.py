"""Similarities on disk are those that were put there."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from hubmerge.matching.similarity.shelf import Shelf


@pytest.mark.parametrize("on_disk", [False, True])
def test_what_was_set_last_is_found(on_disk: bool) -> None:
    shelf = Shelf(on_disk=on_disk)
    first = {"ff": torch.randn(3, 3), "head": torch.randn(2, 4, 2, 4).bfloat16()}
    shelf[0] = first
    shelf["resid"] = {"resid": torch.randn(5, 5)}
    changed = shelf[0]
    changed["ff"].lerp_(torch.ones(3, 3), 0.5)
    shelf[0] = changed
    assert {*shelf} == {0, "resid"}
    assert torch.equal(shelf[0]["ff"], changed["ff"])
    assert torch.equal(shelf[0]["head"], first["head"])
    assert shelf[0]["head"].dtype == torch.bfloat16
    shelf[0] = {"ff": torch.randn(4, 4)}
    assert {*shelf[0]} == {"ff"}
    assert shelf["resid"]["resid"].shape == (5, 5)
    del shelf[0]
    assert len(shelf) == 1
    with pytest.raises(KeyError):
        shelf[0]


def test_threads_keep_apart() -> None:
    shelf = Shelf(on_disk=True)

    def put(number: int) -> None:
        for value in range(20):
            shelf[number] = {"a": torch.full((number + 1, 7), float(number + value))}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(put, range(16)))
    for number in range(16):
        assert torch.equal(shelf[number]["a"], torch.full((number + 1, 7), number + 19.0))
