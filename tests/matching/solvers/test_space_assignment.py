"""Assignment is exact: no other permutation gains more."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
import torch

from hubmerge.matching.solvers.space_assignment import assign_nested, linear_assignment
from hubmerge.specs.spec import Space, Spec


def spec_with(*spaces):
    return Spec(family="toy", spaces={space.name: space for space in spaces}, tensors={})


@pytest.mark.parametrize("seed", range(3))
def test_no_permutation_of_one_space_gains_more(seed):
    similarity = np.random.default_rng(seed).normal(size=(5, 5))
    found = linear_assignment(similarity)
    best = max(sum(similarity[i, p[i]] for i in range(5)) for p in permutations(range(5)))
    assert similarity[range(5), found].sum() == pytest.approx(best)


@pytest.mark.parametrize("seed", range(3))
def test_no_choice_of_heads_and_insides_gains_more(seed):
    """Every order of heads, and within every pair every order of both insides."""
    spec = spec_with(Space("h", 3), Space("q", 3, "h"), Space("v", 2, "h"))
    generator = torch.Generator().manual_seed(seed)
    inside = {
        name: torch.randn(3, n, 3, n, generator=generator, dtype=torch.float64)
        for name, n in (("q", 3), ("v", 2))
    }
    own = torch.randn(3, 3, generator=generator, dtype=torch.float64)
    found = assign_nested(spec, "h", {"h": own, **inside})

    def gain(heads, orders):
        return sum(
            float(own[i, j])
            + sum(
                float(inside[name][i, k, j, p])
                for name in ("q", "v")
                for k, p in enumerate(orders[i][name])
            )
            for i, j in enumerate(heads)
        )

    def best_inside(i, j, name):
        size = inside[name].shape[1]
        return max(
            permutations(range(size)),
            key=lambda p: sum(float(inside[name][i, k, j, p[k]]) for k in range(size)),
        )

    best = max(
        gain(h, [{n: best_inside(i, h[i], n) for n in ("q", "v")} for i in range(3)])
        for h in permutations(range(3))
    )
    heads = found["h"].tolist()
    orders = [{n: found[n][i].tolist() for n in ("q", "v")} for i in range(3)]
    assert gain(heads, orders) == pytest.approx(best)


def test_heads_are_chosen_by_how_well_their_insides_fit_once_ordered():
    """Before ordering both heads look alike; heads first, then insides, would miss it."""
    spec = spec_with(Space("h", 2), Space("q", 2, "h"))
    similarity = torch.zeros(2, 2, 2, 2, dtype=torch.float64)
    similarity[0, :, 1, :] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    similarity[1, :, 0, :] = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    similarity[0, :, 0, :] = similarity[1, :, 1, :] = 0.5
    found = assign_nested(spec, "h", {"q": similarity})
    assert found["h"].tolist() == [1, 0]
    assert found["q"].tolist() == [[1, 0], [1, 0]]


def test_inside_fixed_units_each_is_solved_on_its_own():
    spec = spec_with(Space("h", 2, fixed=True), Space("q", 3, "h"))
    generator = torch.Generator().manual_seed(0)
    similarity = torch.randn(2, 3, 2, 3, generator=generator, dtype=torch.float64)
    found = assign_nested(spec, "q", {"q": similarity})
    assert found.keys() == {"q"}
    for head in range(2):
        alone = linear_assignment(similarity[head, :, head].numpy())
        assert found["q"][head].tolist() == alone.tolist()


@pytest.mark.parametrize("seed", range(4))
def test_leaving_out_pairs_that_cannot_be_chosen_changes_nothing(seed):
    """Permuted and rotated insides, against every pair of heads solved."""
    heads, n = 6, 4
    spec = spec_with(Space("h", heads), Space("q", n, "h"), Space("v", n, "h"))
    generator = torch.Generator().manual_seed(seed)
    q, v = (torch.randn(heads, n, heads, n, generator=generator, dtype=torch.float64) for _ in "qv")
    found = assign_nested(spec, "h", {"q": q}, rotated={"v": v})
    gains = np.zeros((heads, heads))
    for i, j in product(range(heads), repeat=2):
        inner = q[i, :, j].numpy()
        gains[i, j] = inner[range(n), linear_assignment(inner)].sum()
        gains[i, j] += torch.linalg.matrix_norm(v[i, :, j], "nuc")
    assert found["h"].tolist() == linear_assignment(gains).tolist()
    for i, j in enumerate(found["h"].tolist()):
        assert found["q"][i].tolist() == linear_assignment(q[i, :, j].numpy()).tolist()
    assert found.keys() == {"h", "q"}


def test_three_levels_are_exact():
    spec = spec_with(Space("a", 2), Space("b", 2, "a"), Space("c", 2, "b"))
    generator = torch.Generator().manual_seed(1)
    c = torch.randn(2, 2, 2, 2, 2, 2, generator=generator, dtype=torch.float64)
    found = assign_nested(spec, "a", {"c": c})
    pairs = list(permutations(range(2)))

    def gain(a, b, inner):
        return sum(
            float(c[i, j, k, a[i], b[i][j], inner[i][j][k]])
            for i, j, k in product(range(2), repeat=3)
        )

    best = max(
        gain(a, (b0, b1), ((c0, c1), (c2, c3)))
        for a, b0, b1, c0, c1, c2, c3 in product(pairs, repeat=7)
    )
    found_gain = gain(found["a"].tolist(), found["b"].tolist(), found["c"].tolist())
    assert found_gain == pytest.approx(best)


@pytest.mark.parametrize(
    "similarity", [np.zeros((2, 3)), np.array([[0.0, np.nan], [1, 1]]), np.full((2, 2), np.inf)]
)
def test_what_is_no_similarity_is_refused(similarity):
    with pytest.raises(ValueError, match="similarity"):
        linear_assignment(similarity)
