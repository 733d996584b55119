"""Layers and places are found from what a model does, whatever it is called."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from hubmerge.fuse.layerwise.trace import stages
from tests.helpers.tiny import TINY, fresh, probe


def plan(model: nn.Module, *shape: int) -> list[list[tuple[list[str], str]]]:
    """Names of the layers that are fitted together, and their place, stage by stage."""
    found = stages(model.eval(), {"x": torch.randn(2, *shape)})
    return [[([w.name for w in g.writers], str(g.place)) for g in stage] for stage in found]


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.second = nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.act(self.first(x)))


class Residual(nn.Module):
    """The sum is seen entering the norm; the branch's dropout does not hide it."""

    def __init__(self, in_place: bool = False, alpha: float = 1) -> None:
        super().__init__()
        self.inside, self.drop = Plain(), nn.Dropout(0.5)
        self.norm, self.head = nn.LayerNorm(4), nn.Linear(4, 2)
        self.in_place, self.alpha = in_place, alpha

    def forward(self, x: Tensor) -> Tensor:
        branch = self.drop(self.inside(x))
        if self.in_place:
            branch += x
        else:
            branch = torch.add(branch, x, alpha=self.alpha)
        return self.head(self.norm(branch))


class Parallel(nn.Module):
    """Two branches and the stream, added one after the other."""

    def __init__(self, groups: int = 1) -> None:
        super().__init__()
        self.left = nn.Conv2d(4, 4, 3, padding=1, groups=groups)
        self.right, self.norm = nn.Conv2d(4, 4, 1, bias=False), nn.BatchNorm2d(4)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.left(x) + self.norm(self.right(x)) + x)


class Twice(nn.Module):
    """One layer runs twice, two share their weight, and one activation serves two places."""

    def __init__(self) -> None:
        super().__init__()
        self.again, self.act = nn.Linear(4, 4), nn.ReLU()
        self.tied, self.other = nn.Linear(4, 4), nn.Linear(4, 4)
        self.other.weight = self.tied.weight
        self.free, self.writer = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.again(self.act(self.again(x))))
        x = self.other(self.tied(x))
        return self.act(self.writer(self.act(self.free(x))) + x)


def test_layers_come_in_forward_order_each_with_what_leaves_it():
    assert plan(Plain(), 4) == [[(["first"], "first ->")], [(["second"], "second ->")]]


def test_a_residual_writer_is_seen_in_the_stream():
    for in_place in (False, True):
        places = [place for stage in plan(Residual(in_place), 3, 4) for _, place in stage]
        assert places == ["inside.first ->", "-> norm", "head ->"]


class Watched(Plain):
    """What enters the ReLU is read a second time."""

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.second(self.act(x) + 0.1 * x)


def test_it_is_seen_where_a_relu_is_the_only_reader():
    def rectified(model: nn.Module, *shape: int) -> list[bool]:
        found = stages(model.eval(), {"x": torch.randn(2, *shape)})
        return [group.rectified for stage in found for group in stage]

    assert rectified(Plain(), 4) == [True, False]
    assert rectified(Residual(), 3, 4) == [True, False, False]
    assert rectified(Parallel(), 4, 6, 6) == [True]
    assert rectified(Parallel(groups=2), 4, 6, 6) == [True, True]
    assert rectified(Watched(), 4) == [False, False]
    in_place = Plain()
    in_place.act = nn.ReLU(inplace=True)
    assert rectified(in_place, 4) == [True, False]


def test_a_scaled_sum_is_no_place():
    places = [place for stage in plan(Residual(alpha=0.5), 3, 4) for _, place in stage]
    assert places == ["inside.first ->", "inside.second ->", "head ->"]


def test_branches_of_one_sum_are_fitted_together_unless_their_channels_read_differently():
    assert plan(Parallel(), 4, 6, 6) == [[(["left", "right"], "-> act")]]
    assert plan(Parallel(groups=2), 4, 6, 6) == [[(["left"], "-> act")], [(["right"], "-> act")]]


def test_what_has_several_uses_is_left_out():
    assert plan(Twice(), 4) == [[(["free"], "free ->")], [(["writer"], "writer ->")]]


def test_query_key_and_value_are_one_stage():
    model = fresh("vit")
    found = stages(model, probe(model))
    names = [[w.name.rpartition(".")[2] for g in stage for w in g.writers] for stage in found]
    block = [["q_proj", "k_proj", "v_proj"], ["o_proj"], ["fc1"], ["fc2"]]
    assert names == [["projection"], *block, *block, ["classifier"]]
    assert str(found[2][0].place) == "-> vit.layers.0.layernorm_after"


def test_every_layer_of_every_family_is_found_once():
    for name in TINY:
        model = fresh(name)
        found = [w.name for stage in stages(model, probe(model)) for g in stage for w in g.writers]
        tied = {tensor.removesuffix(".weight") for tensor in model.all_tied_weights_keys}
        kinds = nn.Linear | nn.Conv2d | Conv1D
        layers = {n for n, m in model.named_modules() if isinstance(m, kinds)} - tied
        assert sorted(found) == sorted(layers)


def test_batch_norms_are_found_behind_their_layers():
    model = fresh("resnet-bottleneck")
    found = [w for stage in stages(model, probe(model)) for g in stage for w in g.writers]
    norms = [n for n, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)]
    assert sorted(w.norm for w in found if w.norm) == sorted(norms)
