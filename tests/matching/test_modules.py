"""Any two modules of one class, matched by a spec derived of them; no class of transformers."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

import hubmerge as hm
from hubmerge.errors import DerivationError, MismatchError, RecipeError
from hubmerge.matching.modules import ModuleMatch
from hubmerge.models import shaken
from hubmerge.symmetry.permutation import permute, random_permutation


class Mlp(nn.Module):
    """As anybody writes one."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 20), nn.GELU()
        )
        self.norm = nn.LayerNorm(20)
        self.head = nn.Linear(20, 3)

    def forward(self, pixels: Tensor) -> Tensor:
        return self.head(self.norm(self.layers(pixels)))


class Vgg(nn.Module):
    """torchvision's: pools between, one pool to a fixed size, dropout among its three layers."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 3
        for width in (6, "M", 10, 8, "M"):
            if isinstance(width, str):
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU(inplace=True)]
            before = width
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((3, 3))
        self.classifier = nn.Sequential(
            nn.Linear(8 * 3 * 3, 14),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(14, 12),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            nn.Linear(12, 5),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def plain_vgg() -> nn.Sequential:
    """Convolutions, batch norms and pools, flattened into a linear head."""
    widths, layers = [3, 8, 16], list[nn.Module]()
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after)]
        layers += [nn.ReLU(inplace=True), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10), nn.ReLU(), nn.Linear(10, 4))


class Residual(nn.Module):
    """A basic block as torchvision has it."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        found = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(found + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """torchvision's: one pixel, nine, one, around a sum that is four times as wide."""

    def __init__(self, before: int, inside: int, stride: int) -> None:
        super().__init__()
        after = 4 * inside
        self.conv1 = nn.Conv2d(before, inside, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv2 = nn.Conv2d(inside, inside, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(inside)
        self.conv3 = nn.Conv2d(inside, after, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(after)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or before != after:
            shortcut = nn.Conv2d(before, after, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        found = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        found = self.bn3(self.conv3(found))
        found += x if self.downsample is None else self.downsample(x)
        return self.relu(found)


class DeepResNet(nn.Module):
    """torchvision's of bottlenecks, with its stem: a large convolution and a pool."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = nn.Sequential(Bottleneck(6, 4, 1), Bottleneck(16, 5, 1))
        self.layer2 = nn.Sequential(Bottleneck(20, 6, 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        found = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.fc(torch.flatten(self.avgpool(self.layer2(self.layer1(found))), 1))


class ResNet(nn.Module):
    """torchvision's, with two short stages."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.layer1 = nn.Sequential(Residual(8, 8, 1), Residual(8, 8, 1))
        self.layer2 = nn.Sequential(Residual(8, 12, 2), Residual(12, 12, 1))
        self.fc = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        found = self.layer2(self.layer1(torch.relu(self.bn1(self.conv1(x)))))
        return self.fc(found.mean((2, 3)))


MADE = {
    "mlp": (Mlp, (2, 3, 4), 2),
    "plain vgg": (plain_vgg, (2, 3, 8, 8), 3),
    "vgg": (Vgg, (2, 3, 13, 13), 5),
    "resnet": (ResNet, (2, 3, 8, 8), 6),
    "deep resnet": (DeepResNet, (2, 3, 24, 24), 10),
}


@pytest.mark.parametrize("name", MADE)
def test_a_planted_order_is_recovered(name: str) -> None:
    make, shape, spaces = MADE[name]
    torch.manual_seed(0)
    a, b = shaken(make()).eval(), make().eval()
    example = torch.randn(shape)
    spec = hm.match(a, a, inputs=example).derived.spec.permutations_only
    assert len(spec.free_spaces()) == spaces
    b.load_state_dict(permute(spec, a.state_dict(), random_permutation(spec, 1)))
    assert not torch.equal(next(iter(b.parameters())), next(iter(a.parameters())))
    found = hm.match(a, b, inputs=example)
    assert isinstance(found, ModuleMatch)
    assert "spec: derived, certified at" in str(found)
    naive = _average(a, b, make())
    b.load_state_dict(found.state)
    for (key, ours), theirs in zip(b.state_dict().items(), a.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), key
    with torch.no_grad():
        torch.testing.assert_close(_average(a, b, make())(example), a(example))
        assert not torch.allclose(naive(example), a(example), rtol=1e-2, atol=1e-2)


def _average(a: nn.Module, b: nn.Module, merged: nn.Module) -> nn.Module:
    """Half of each, in `merged`, ready to answer."""
    theirs = b.state_dict()
    mean = {
        name: (value + theirs[name]) / 2 if value.is_floating_point() else value
        for name, value in a.state_dict().items()
    }
    merged.load_state_dict(mean)
    return merged.eval()


def test_the_function_stays_and_inputs_may_be_named() -> None:
    torch.manual_seed(1)
    a, b, pixels = Mlp().eval(), Mlp().eval(), torch.randn(2, 3, 4)
    before = b(pixels)
    b.load_state_dict(hm.match(a, b, inputs={"pixels": pixels}).state)
    torch.testing.assert_close(b(pixels), before)


def test_what_does_not_fit_is_refused() -> None:
    a, x = Mlp(), torch.randn(2, 3, 4)
    with pytest.raises(MismatchError, match="the modules are not alike"):
        hm.match(a, ResNet(), inputs=x)
    with pytest.raises(RecipeError, match="takes example inputs of a Mlp") as said:
        hm.match(a, Mlp(), inputs=None)
    assert "its forward takes pixels" in str(said.value)
    with pytest.raises(DerivationError, match="does not take the example inputs"):
        hm.match(a, Mlp(), inputs=torch.randn(2, 7))
    with pytest.raises(RecipeError, match="cannot be matched by 'activations'"):
        hm.match(a, Mlp(), "activations", inputs=x)
