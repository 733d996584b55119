"""Where layers write: found by running a model once and following what leaves each layer.

One small batch runs through the model while every operation is recorded. From that follows, for
any architecture and without its name, which layers there are, in which order they can be fitted,
and at which place each one's work first shows: what leaves it, what leaves the batch norm behind
it, or, if all it does is added to something else (a residual stream, another branch), that sum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hubmerge.fuse.layerwise.layers import Layer, as_layer
from hubmerge.utils.hooks import first_tensor

SUMS = {torch.ops.aten.add.Tensor, torch.ops.aten.add_.Tensor}
RECTIFIERS = {torch.ops.aten.relu.default, torch.ops.aten.relu_.default}
COPIES = {
    torch.ops.aten.alias.default,
    torch.ops.aten.clone.default,
    torch.ops.aten.detach.default,
    torch.ops.aten._to_copy.default,
}


@dataclass(frozen=True)
class TracePoint:
    """Where an activation can be seen: what enters or leaves a module."""

    module: str
    entering: bool

    def __str__(self) -> str:
        return f"-> {self.module}" if self.entering else f"{self.module} ->"


@dataclass(frozen=True)
class Writer:
    """A layer, the batch norm behind it if there is one, and what it reads.

    eps: the norm's. reads: equal for layers that get the same tensor.
    """

    name: str
    layer: Layer
    reads: int
    norm: str | None = None
    eps: float = 0.0

    @property
    def biased(self) -> bool:
        """Whether there is a shift to choose, its own or its norm's."""
        return self.layer.biased or self.norm is not None


@dataclass(frozen=True)
class LayerGroup:
    """The layers whose work first shows at the same place, in the order in which they run.

    values: how many numbers stand at the place per image. rectified: whether a ReLU is all that
    reads them.
    """

    place: TracePoint
    writers: tuple[Writer, ...]
    values: int
    rectified: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Of its layers."""
        return frozenset(writer.name for writer in self.writers)


Stage = tuple[LayerGroup, ...]
"""Groups that can be fitted at once: none sees what another one of them does."""


def stages(model: nn.Module, inputs: Mapping[str, Tensor]) -> list[Stage]:
    """Every layer of `model` that can be fitted by itself, in an order in which inputs come first.

    Left out: modules whose tensors other modules share, and modules that run more than once or
    not at all, because a fit at one place would undo the others.
    """
    trace = _traced(model, inputs)
    found: dict[int, list[_Found]] = {}
    for call in trace.calls:
        each = _followed(trace, call)
        found.setdefault(each.node, []).append(each)
    staged: list[Stage] = []
    current: list[LayerGroup] = []
    taken = 0
    for node in sorted(found):
        for group in _together(trace, found[node]):
            own = sum(trace.bits[writer.name] for writer in group.writers)
            if trace.nodes[node].above & ~own & taken:
                staged.append(tuple(current))
                current, taken = [], 0
            current.append(group)
            taken |= own
    return [*staged, tuple(current)] if current else staged


def _together(trace: _Trace, found: Sequence[_Found]) -> list[LayerGroup]:
    """One group; or, where channels see different inputs (grouped convolution), one per layer."""
    node = trace.nodes[found[0].node]
    rectified = [trace.nodes[user].kind for user in node.users] == ["relu"]
    if any(each.writer.layer.groups > 1 for each in found):
        return [LayerGroup(each.place, (each.writer,), node.values, rectified) for each in found]
    writers = tuple(each.writer for each in found)
    return [LayerGroup(found[0].place, writers, node.values, rectified)]


@dataclass
class _Node:
    """One operation's result: what it is made from, who uses it, which layers stand above it."""

    kind: str
    values: int
    above: int = 0
    users: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Call:
    name: str
    layer: Layer
    reads: int
    leaves: int


@dataclass
class _Trace:
    """All operations in order.

    places: the module boundaries at which a node can be seen. norms: by the node that enters a
    batch norm, its name, its eps and the node that leaves it. bits: one for every layer.
    """

    nodes: list[_Node] = field(default_factory=list)
    places: dict[int, list[TracePoint]] = field(default_factory=dict)
    norms: dict[int, tuple[str, float, int]] = field(default_factory=dict)
    calls: list[_Call] = field(default_factory=list)
    bits: dict[str, int] = field(default_factory=dict)
    runs: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class _Found:
    writer: Writer
    node: int
    place: TracePoint


def _followed(trace: _Trace, call: _Call) -> _Found:
    """The last node that shows nothing but the layer's work and sums, where a hook can see it."""
    writer = Writer(call.name, call.layer, call.reads)
    node, place = call.leaves, TracePoint(call.name, entering=False)
    if len(trace.nodes[node].users) == 1 and node in trace.norms:
        norm, eps, node = trace.norms[node]
        writer = replace(writer, norm=norm, eps=eps)
        place = TracePoint(norm, entering=False)
    found = _Found(writer, node, place)
    while len(trace.nodes[node].users) == 1:
        node = trace.nodes[node].users[0]
        if trace.nodes[node].kind not in ("sum", "copy"):
            break
        if places := trace.places.get(node):
            found = _Found(writer, node, places[0])
    return found


def _traced(model: nn.Module, inputs: Mapping[str, Tensor]) -> _Trace:
    recorder = _Recorder()
    trace = recorder.trace
    with torch.no_grad(), _reported(model, recorder), recorder:
        model(**inputs)
    once = {name for name, runs in trace.runs.items() if runs == 1}
    alone = once - shared_modules(model)
    trace.calls = [call for call in trace.calls if call.name in alone]
    trace.norms = {node: norm for node, norm in trace.norms.items() if norm[0] in alone}
    trace.places = {
        node: [place for place in places if place.module in once]
        for node, places in trace.places.items()
    }
    return trace


def shared_modules(model: nn.Module) -> set[str]:
    """Names of the modules one of whose own parameters another module holds as well."""
    holders: dict[int, list[str]] = {}
    for name, module in model.named_modules(remove_duplicate=False):
        for parameter in module.parameters(recurse=False):
            holders.setdefault(id(parameter), []).append(name)
    return {name for names in holders.values() if len(names) > 1 for name in names}


class _Recorder(TorchDispatchMode):
    """Numbers every tensor that depends on the input by the operation that made it."""

    def __init__(self) -> None:
        super().__init__()
        self.trace = _Trace()
        self._number: dict[int, int] = {}
        self._alive: list[Tensor] = []  # so that no id is used twice

    def node(self, value: Any) -> int | None:
        """The operation `value` comes from; None for weights, constants and what is no tensor."""
        return self._number.get(id(value))

    def begin(self, inputs: list[Tensor]) -> None:
        """Declares the model's inputs."""
        for value in inputs:
            self._add([value], _Node("other", 0))

    def mark(self, node: int, bit: int) -> None:
        """From here on, what depends on `node` stands below the layer `bit`."""
        self.trace.nodes[node].above |= bit

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        sources = [number for leaf in given if (number := self.node(leaf)) is not None]
        results = func(*args, **(kwargs or {}))
        if sources:
            made = [leaf for leaf in tree_leaves(results) if isinstance(leaf, Tensor)]
            above = 0
            for source in sources:
                above |= self.trace.nodes[source].above
            node = self._add(made, _Node(_kind(func, kwargs, given, made), _values(made), above))
            for source in sources:
                self.trace.nodes[source].users.append(node)
        return results

    def _add(self, made: list[Tensor], node: _Node) -> int:
        self.trace.nodes.append(node)
        for tensor in made:
            self._number[id(tensor)] = len(self.trace.nodes) - 1
            self._alive.append(tensor)
        return len(self.trace.nodes) - 1


def _kind(func: Any, kwargs: Any, given: list[Tensor], made: list[Tensor]) -> str:
    """What adding to an input does: "sum" and "copy" add the same to the result.

    "relu" adds nothing below 0; of "other" nothing is known.
    """
    if func in RECTIFIERS:
        return "relu"
    same_shape = bool(made) and all(value.shape == made[0].shape for value in given)
    if func in SUMS and same_shape and not kwargs:
        return "sum"
    return "copy" if func in COPIES else "other"


def _values(made: Sequence[Tensor]) -> int:
    """Numbers per image in the first of what was made; 0 if it does not run over images."""
    return made[0][0].numel() if made and made[0].ndim and len(made[0]) else 0


@contextmanager
def _reported(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    """Inside, module boundaries, layers and batch norms are entered in the recorder's trace."""
    trace = recorder.trace
    entered: dict[str, int | None] = {}

    def enters(name: str) -> Any:
        def hook(module: nn.Module, args: Any, kwargs: Any) -> None:
            given = (*args, *kwargs.values())
            if not name:
                recorder.begin([value for value in given if isinstance(value, Tensor)])
                return
            trace.runs[name] += 1
            entered[name] = recorder.node(first_tensor(given)) if given else None
            if (node := entered[name]) is not None:
                trace.places.setdefault(node, []).append(TracePoint(name, entering=True))

        return hook

    def leaves(name: str) -> Any:
        def hook(module: nn.Module, args: Any, output: Any) -> None:
            before, after = entered.get(name), recorder.node(first_tensor(output))
            if before is None or after is None:
                return
            trace.places.setdefault(after, []).append(TracePoint(name, entering=False))
            if (layer := as_layer(module)) is not None:
                bit = trace.bits.setdefault(name, 1 << len(trace.bits))
                recorder.mark(after, bit)
                trace.calls.append(_Call(name, layer, before, after))
            elif isinstance(module, _BatchNorm) and module.affine and module.track_running_stats:
                trace.norms[before] = (name, module.eps, after)

        return hook

    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(enters(name), with_kwargs=True))
        handles.append(module.register_forward_hook(leaves(name)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
