"""A family bound to one model: every tensor's axes, every space's size.

`Spec` is what matchers, mergers and repairs work with. It knows names, shapes and the notation,
and neither a model nor a network.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

from hubmerge.specs.notation import SAMPLES, Axis, Segment, lay_out

PERMUTE, SCALE, FLIP, ROTATE = "permute", "scale", "flip", "rotate"
LINEAR, ROTARY = "linear", "rotary"
KINDS = (PERMUTE, SCALE, FLIP, ROTATE, LINEAR, ROTARY)
"""What may be done to a space: its units reordered, which every other kind but the last includes;
each of them scaled by a positive factor (through ReLU); their signs flipped (through tanh); any
rotation of them (behind norms alone); any invertible map (the inside of an attention head); a
complex factor for every pair of them, and no other order (queries and keys that rotary positions
turn)."""

TWO_SIDED = (LINEAR, ROTARY)
"""Kinds of maps that need not be rotations: what is read is mapped by the inverse transpose."""

PERMUTATIONS, MAPS, SCALES, ALL = "permutations", "maps", "scales", "all"
SYMMETRIES = (PERMUTATIONS, MAPS, SCALES, ALL)
"""How much of what a spec allows is used, each more than the one before: permutations alone; also
rotations, linear maps and signs; also scales, but of what enters batch norms; everything."""


@dataclass(frozen=True)
class Space:
    """A set of units that a tensor axis runs over; fixed, or free to be changed.

    may: what may be done to it, in canonical form: one of `KINDS`. seen: whether any module shows
    its units, so that activations can say which are alike.
    """

    name: str
    size: int
    within: str | None = None
    fixed: bool = False
    may: str = PERMUTE
    seen: bool = True


@dataclass(frozen=True)
class Norm:
    """A norm over a rotatable space, and the modules that read what leaves it.

    centred: a LayerNorm, which subtracts the mean of the units; else an RMSNorm. offset: what is
    added to its weight to make the gain.
    """

    module: str
    space: str
    readers: tuple[str, ...]
    centred: bool
    offset: float = 0.0

    @property
    def gain(self) -> str:
        """Name of its gain, which is stored without `offset`."""
        return f"{self.module}.weight"

    @property
    def bias(self) -> str:
        """Name of its bias, which it may not have."""
        return f"{self.module}.bias"


def weight_of(reader: str, tensors: Container[str]) -> str:
    """Name of the weight of a module that reads a norm; itself, where it is a tensor's name."""
    return reader if reader in tensors else f"{reader}.weight"


@dataclass(frozen=True)
class Behind:
    """A norm with a gain per unit of `space`, and the layer whose output it takes.

    What stands in front of it is not scaled or flipped with the space.
    batch: it keeps running statistics, so that each of its inputs has a free scale and sign.
    """

    module: str
    writer: str
    space: str
    batch: bool

    @property
    def gain(self) -> str:
        """Name of its gain."""
        return f"{self.module}.weight"

    @property
    def in_front(self) -> tuple[str, ...]:
        """Names of the tensors in front of it, some of which there may not be."""
        written = (f"{self.writer}.{name}" for name in ("weight", "bias"))
        return (*written, *(f"{self.module}.{name}" for name in ("running_mean", "running_var")))


@dataclass(frozen=True)
class Gate:
    """A layer whose output is multiplied, unit by unit, with that of another (as in SwiGLU).

    Its tensors are reordered with the units of `space`, and not scaled with them.
    """

    module: str
    beside: str
    space: str

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of its tensors, some of which there may not be."""
        return (f"{self.module}.weight", f"{self.module}.bias")


@dataclass(frozen=True)
class Layout:
    """The axes of one tensor, each laid out as segments."""

    axes: tuple[Axis, ...]
    segments: tuple[tuple[Segment, ...], ...]

    def names(self) -> Iterator[str]:
        """Every name on every axis."""
        for axis in self.axes:
            yield from axis.names()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return tuple(sum(prod(s.shape) for s in segments) for segments in self.segments)

    def outer_axes(self, spec: Spec, number: int) -> tuple[int, ...]:
        """Axes that hold nothing but a space which one on axis `number` lies within.

        Outermost first: 0 for axis 1 of "expert (ff + ff) resid" with ff within expert.
        """
        here = dict.fromkeys(self.axes[number].names())
        outer = {o: None for name in here if spec.spaces[name].within for o in spec.ancestors(name)}
        missing = [name for name in outer if name not in here]
        if not missing:
            return ()
        alone = {axis.name: k for k, axis in enumerate(self.axes)}
        return tuple(alone[name] for name in missing)

    def __str__(self) -> str:
        return " ".join(map(str, self.axes))


@dataclass(frozen=True)
class ObservedModule:
    """Where a space's activations can be seen: what enters or leaves a module."""

    module: str
    entering: bool
    layout: Layout

    @property
    def axis(self) -> int:
        """The axis that runs over units; all others run over observations."""
        return next(i for i, axis in enumerate(self.layout.axes) if SAMPLES not in axis.names())

    def __str__(self) -> str:
        return f"-> {self.module}" if self.entering else f"{self.module} ->"


@dataclass(frozen=True)
class Group:
    """A free space with the free spaces inside it (heads with their insides)."""

    root: str
    children: tuple[str, ...] = ()

    @property
    def members(self) -> tuple[str, ...]:
        """Root first."""
        return (self.root, *self.children)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What each axis of each tensor of one model is.

    `tensors` are parameters and buffers; those named in `buffers` (running statistics) follow
    every permutation but say nothing about which one is right.
    """

    family: str
    spaces: Mapping[str, Space]
    tensors: Mapping[str, Layout]
    buffers: frozenset[str] = frozenset()
    watches: tuple[ObservedModule, ...] = ()
    source: str = ""
    norms: tuple[Norm, ...] = ()
    behind: tuple[Behind, ...] = ()
    batchnorm_eps: float | None = None
    gates: tuple[Gate, ...] = ()
    tied: Mapping[str, str] = field(default_factory=dict)
    """Name of a tensor -> the name of the one that it is."""
    sizes: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        sizes = {space.name: space.size for space in self.spaces.values()}
        object.__setattr__(self, "sizes", sizes)

    def free_spaces(self) -> dict[str, int]:
        """Name -> size of every space that is not fixed, in the order of the model."""
        return {space.name: space.size for space in self.spaces.values() if not space.fixed}

    def ordered_spaces(self) -> dict[str, int]:
        """Those of the free spaces that may be reordered: all but rotary ones."""
        return {n: size for n, size in self.free_spaces().items() if self.spaces[n].may != ROTARY}

    def allowing(self, symmetry: str) -> Spec:
        """The same spec with one of `SYMMETRIES`."""
        if symmetry == SCALES:
            return self.plain_inputs
        return {MAPS: self.unscaled, PERMUTATIONS: self.permutations_only}.get(symmetry, self)

    @property
    def symmetry(self) -> str:
        """How much scaling it allows: "all", "scales" or "maps"."""
        if any(norm.batch for norm in self.behind):
            return ALL
        return SCALES if self.scaled_spaces() else MAPS

    @property
    def observed(self) -> Spec:
        """The same spec with what no module shows fixed: all that activations can align."""
        if all(space.seen for space in self.spaces.values()):
            return self
        hidden = {n: replace(s, fixed=s.fixed or not s.seen) for n, s in self.spaces.items()}
        return replace(self, spaces=hidden)

    @property
    def permutations_only(self) -> Spec:
        """The same spec with spaces that may be permuted and nothing more."""
        return replace(self, spaces=self._only_permuting(*KINDS), norms=(), behind=())

    @property
    def unmapped(self) -> Spec:
        """The same spec with no space that may be flipped, rotated or mapped."""
        return replace(self, spaces=self._only_permuting(FLIP, ROTATE, *TWO_SIDED), norms=())

    @property
    def unscaled(self) -> Spec:
        """The same spec with no space that may be scaled, and no input of a batch norm."""
        return replace(self.plain_inputs, spaces=self._only_permuting(SCALE))

    @property
    def plain_inputs(self) -> Spec:
        """The same spec with no input of a batch norm that may be scaled."""
        return replace(self, behind=tuple(replace(norm, batch=False) for norm in self.behind))

    @property
    def scales(self) -> bool:
        """Whether units of any space, or inputs of a batch norm, may be scaled."""
        return bool(self.scaled_spaces()) or any(norm.batch for norm in self.behind)

    @property
    def has_form(self) -> bool:
        """Whether any symmetry of it asks for a canonical form."""
        return self.scales or bool(self.mapped_spaces())

    def scaled_spaces(self) -> list[str]:
        """Every space whose units may be scaled, in the order of the model."""
        return [s.name for s in self.spaces.values() if not s.fixed and s.may == SCALE]

    def mapped_spaces(self) -> dict[str, str]:
        """Name -> kind of every space that may be flipped, rotated or mapped, in model order."""
        free = (space for space in self.spaces.values() if not space.fixed)
        return {s.name: s.may for s in free if s.may not in (PERMUTE, SCALE)}

    @property
    def unflipped(self) -> Spec:
        """The same spec with no space whose signs may be flipped."""
        return replace(self, spaces=self._only_permuting(FLIP))

    def _only_permuting(self, *kinds: str) -> dict[str, Space]:
        """The spaces, those of `kinds` with nothing but their order free; rotary ones have none."""
        return {
            name: replace(space, may=PERMUTE, fixed=space.fixed or space.may == ROTARY)
            if space.may in kinds
            else space
            for name, space in self.spaces.items()
        }

    @cached_property
    def unsigned(self) -> frozenset[str]:
        """Names of the tensors that maps do not mix and signs do not reach.

        Gains, and running variances. A batch norm passes a sign on from what it takes.
        """
        mapped = self.mapped_spaces()
        flipped = {name for name, space in self.spaces.items() if space.may == FLIP}
        behind = (norm for norm in self.behind if norm.space in flipped)
        variances = {n for norm in behind for n in (norm.gain, f"{norm.module}.running_var")}
        return frozenset(variances | {norm.gain for norm in self.norms if norm.space in mapped})

    @cached_property
    def square(self) -> Mapping[str, frozenset[str]]:
        """Tensor -> the free spaces that both of its axes run along, as in "resid resid".

        It follows their order. Which order is right it cannot say of one side without the other.
        """
        found = {}
        for tensor, layout in self.tensors.items():
            names = [name for axis in layout.axes if (name := axis.name) is not None]
            twice = {n for n in names if names.count(n) > 1 and not self.spaces[n].fixed}
            if twice:
                found[tensor] = frozenset(twice)
        return found

    @cached_property
    def silent(self) -> frozenset[str]:
        """Names of the tensors that matching does not listen to: buffers, and square ones."""
        return self.buffers | frozenset(self.square)

    @cached_property
    def in_front(self) -> Mapping[str, frozenset[str]]:
        """Space -> names of the tensors along it that are not scaled with its units.

        They stand in front of a norm with a gain, or make the gate that the units pass.
        """
        found: dict[str, set[str]] = {}
        for norm in self.behind:
            found.setdefault(norm.space, set()).update(norm.in_front)
        for gate in self.gates:
            found.setdefault(gate.space, set()).update(gate.tensors)
        return {space: frozenset(tensors) for space, tensors in found.items()}

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The free spaces, gathered with those that lie within them."""
        free = [space for space in self.spaces.values() if not space.fixed]
        inside: dict[str, list[str]] = {}
        for space in free:
            if space.within and not self.spaces[space.within].fixed:
                inside.setdefault(space.within, []).append(space.name)
        roots = [s.name for s in free if not s.within or self.spaces[s.within].fixed]
        return tuple(Group(root, tuple(self._below(root, inside))) for root in roots)

    def _below(self, name: str, inside: Mapping[str, list[str]]) -> Iterator[str]:
        for child in inside.get(name, ()):
            yield child
            yield from self._below(child, inside)

    @cached_property
    def memo(self) -> dict[Any, Any]:
        """What others have worked out of it, kept for as long as it is."""
        return {}

    def ancestors(self, space: str) -> tuple[str, ...]:
        """The spaces `space` lies within, outermost first."""
        outer = self.spaces[space].within
        return (*self.ancestors(outer), outer) if outer else ()

    def index_shape(self, space: str) -> tuple[int, ...]:
        """Shape of a permutation of `space`: [n], or [heads, n] if nested."""
        return tuple(self.sizes[name] for name in (*self.ancestors(space), space))

    @cached_property
    def touched_by(self) -> Mapping[str, tuple[str, ...]]:
        """Space -> names of the tensors one of whose axes it runs along."""
        touched: dict[str, list[str]] = {name: [] for name in self.spaces}
        for tensor, layout in self.tensors.items():
            for name in dict.fromkeys(layout.names()):
                touched[name].append(tensor)
        return {name: tuple(tensors) for name, tensors in touched.items()}


def lay_out_axes(axes: tuple[Axis, ...], sizes: Mapping[str, int]) -> Layout:
    """Axes with their segments, once every size is known."""
    return Layout(axes, tuple(lay_out(axis, sizes) for axis in axes))
