"""A layer is its rows times its matrix, a folded norm and its stock form are one function."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close
from transformers.pytorch_utils import Conv1D

from hubmerge.fuse.layerwise.folding import Affine, folded, in_stock_form, plainly
from hubmerge.fuse.layerwise.layers import as_layer
from hubmerge.fuse.layerwise.normal_equations import (
    change,
    chosen_ridge,
    moments,
    scales,
    solve,
    sums,
)
from hubmerge.fuse.layerwise.trace import Writer

LAYERS = {
    "linear": (nn.Linear(6, 4), (3, 5, 6)),
    "linear, one place": (nn.Linear(6, 4, bias=False), (3, 6)),
    "transposed": (Conv1D(4, 6), (3, 5, 6)),
    "convolution": (nn.Conv2d(6, 4, 3, padding=1), (3, 6, 8, 7)),
    "strided": (nn.Conv2d(6, 4, (3, 2), stride=(2, 3), padding=(2, 1)), (3, 6, 8, 7)),
    "dilated": (nn.Conv2d(6, 4, 3, dilation=2, padding="same", bias=False), (3, 6, 8, 7)),
    "grouped": (nn.Conv2d(6, 4, 3, groups=2), (3, 6, 8, 7)),
    "depthwise": (nn.Conv2d(6, 12, 3, groups=6), (3, 6, 8, 7)),
    "circular": (nn.Conv2d(6, 4, 3, padding=1, padding_mode="circular"), (3, 6, 8, 7)),
    "patches": (nn.Conv2d(6, 4, 4, stride=4), (3, 6, 8, 8)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_is_its_rows_times_its_matrix(kind):
    module, shape = LAYERS[kind]
    layer, given = as_layer(module), torch.randn(shape)
    matrix = layer.matrix(module.weight)
    assert (layer.groups, layer.inputs) == (len(matrix), matrix.shape[-1])
    assert torch.equal(layer.weight(matrix), module.weight)
    made = torch.einsum("gipk,gmk->ipgm", layer.rows(given), matrix).flatten(2)
    if layer.biased:
        made = made + module.bias
    expected = module(given).movedim(layer.axis, -1)
    assert_close(made, expected.reshape(made.shape), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", LAYERS)
def test_rows_at_some_places_are_those_among_all(kind):
    module, shape = LAYERS[kind]
    layer, given = as_layer(module), torch.randn(shape)
    every = layer.rows(given)
    items, places = torch.tensor([[2, 0], [1, 1]]), torch.tensor([[0, -1], [-1, 0]])
    places %= every.shape[2]
    assert torch.equal(layer.rows_at(given, items, places), every[:, items, places])


def test_what_is_no_layer_is_none():
    for module in (nn.LayerNorm(3), nn.ReLU(), nn.Embedding(3, 4), nn.Conv1d(3, 4, 2)):
        assert as_layer(module) is None


@pytest.mark.parametrize("biased", [True, False])
def test_folded_and_in_stock_form_are_the_same_function(biased):
    torch.manual_seed(0)
    pair = nn.Sequential(nn.Conv2d(3, 5, 2, bias=biased), nn.BatchNorm2d(5))
    pair = pair.double().eval()
    for tensor in pair.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    pair[1].weight.data[1] *= -1
    writer = Writer("0", as_layer(pair[0]), 0, "1", pair[1].eps)
    state = {name: value.clone() for name, value in pair.state_dict().items()}
    x = torch.randn(7, 3, 6, 6).double()
    before = pair(x)
    wanted = folded(state, writer)
    rows = writer.layer.rows(x).flatten(0, 2)
    for made in (
        plainly(writer, state, wanted),
        in_stock_form(writer, state, wanted, rows.mean(0)[None], rows.T.cov()[None]),
    ):
        pair.load_state_dict(state | made)
        assert_close(pair(x), before)
    kept, usual = (weight.flatten(1).norm(dim=1) for weight in (pair[0].weight, state["0.weight"]))
    assert_close(kept, usual)
    inside = pair[0](x).transpose(0, 1).flatten(1)
    assert_close(pair[1].running_mean, inside.mean(1))
    assert_close(pair[1].running_var, inside.var(1))


def test_a_channel_that_is_fitted_to_nothing_stays_finite():
    pair = nn.Sequential(nn.Linear(3, 2, bias=False), nn.BatchNorm1d(2)).double().eval()
    writer = Writer("0", as_layer(pair[0]), 0, "1", pair[1].eps)
    wanted = Affine(torch.zeros(1, 2, 3).double(), torch.tensor([1.0, -2.0]).double())
    x = torch.randn(9, 3).double()
    made = in_stock_form(writer, pair.state_dict(), wanted, x.mean(0)[None], x.T.cov()[None])
    pair.load_state_dict(pair.state_dict() | made)
    assert_close(pair(x), wanted.bias.expand(9, 2))


def test_the_equations_are_the_ridge_regression_numpy_solves():
    x, r = torch.randn(2, 50, 4).double() + 3, torch.randn(2, 50, 3).double() - 2
    found = moments([sums(x[:, :20], r[:, :20]), sums(x[:, 20:], r[:, 20:])])
    fit = solve(found, 0.1 * scales(found, [4]))
    for g in range(2):
        a, b = (v[g].numpy() - v[g].numpy().mean(0) for v in (x, r))
        weight = np.sqrt(0.1 * a.var(0).mean() * len(a))
        stacked = np.concatenate([a, weight * np.eye(4)]), np.concatenate([b, np.zeros((4, 3))])
        assert_close(fit[g].numpy(), np.linalg.lstsq(*stacked, rcond=None)[0].T)
        gone = ((b - a @ fit[g].numpy().T) ** 2).sum() - (b**2).sum()
        assert change(found.outputs(0, 3), fit) < 0
        found_g = moments([sums(x[g : g + 1], r[g : g + 1])])
        assert change(found_g, fit[g : g + 1]) == pytest.approx(gone / 50)


def test_layers_fitted_together_keep_scales_of_their_own():
    x = torch.randn(1, 100, 5).double() * torch.tensor([10, 10, 1, 1, 1])
    large, small = scales(moments([sums(x, x)]), [2, 3]).squeeze(0).split([2, 3])
    assert large[0] == large[1] > 50 > small[0] == small[2]
    assert torch.equal(scales(moments([sums(0 * x, x)]), [5]), torch.ones(1, 5).double())


def test_noise_asks_for_more_ridge_than_signal():
    torch.manual_seed(0)
    x, held = torch.randn(2, 1, 40, 20).double()
    d = torch.randn(20, 2).double()
    noise = torch.randn(2, 1, 40, 2).double()
    ridges = [
        chosen_ridge(
            [
                moments([sums(x, x @ d + amount * noise[0])]),
                moments([sums(held, held @ d + amount * noise[1])]),
            ],
            [20],
        )
        for amount in (0.01, 30.0)
    ]
    assert ridges[0] < ridges[1]
