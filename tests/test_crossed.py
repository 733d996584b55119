"""The diagonal of a product of models and methods."""

from itertools import product

import pytest

from tests.helpers.crossed import diagonal


@pytest.mark.parametrize("sizes", [(17, 8), (3, 20), (5, 5), (4, 1)])
def test_every_value_stands_on_it_and_no_more_cells_than_needed(sizes):
    models, methods = sizes
    cells = [{"name": i, "method": j} for i, j in product(range(models), range(methods))]
    kept = [cell for cell, stands in zip(cells, diagonal(cells), strict=True) if stands]
    assert {cell["name"] for cell in kept} == set(range(models))
    assert {cell["method"] for cell in kept} == set(range(methods))
    assert len(kept) == max(sizes)


def test_other_axes_count_together():
    axes = product(range(17), range(3), ["clean", "noisy"])
    cells = [{"name": name, "seed": seed, "noise": noise} for name, seed, noise in axes]
    kept = [cell for cell, stands in zip(cells, diagonal(cells), strict=True) if stands]
    assert len(kept) == 17
    assert len({(cell["seed"], cell["noise"]) for cell in kept}) == 6
