"""One forward of a model, watched: which axes of its tensors are one, and what reads what.

Under a `TorchDispatchMode` every dimension of every tensor carries a `Term`; each operation of ATen
unifies those that it takes for one axis (`rules/`). Dimensions of the data, whatever an operation
without a rule touches, and the dimensions of the model's answer are pinned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from hubmerge.derivation.terms import Term, atoms, pin, unify

DATA, ANSWER = "positions of the data", "the model's answer"

Rule = Callable[["Trace", Sequence[Any], Mapping[str, Any], Any], bool]
"""Gives what an operation returned its terms, from those of its arguments; False if it cannot."""

RULES: dict[str, Rule] = {}

UNFORESEEN = (LookupError, TypeError, AttributeError, ArithmeticError, ValueError)
"""What a rule raises at a call of its operation that it does not know."""


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Makes a function the rule of the ATen operations with these names."""

    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@dataclass
class Seen:
    """A module at work: the terms of what entered or left it."""

    module: str
    entering: bool
    dims: list[Term]


@dataclass(kw_only=True)
class Trace(TorchDispatchMode):
    """Terms of every tensor of one forward.

    axes: tensor of the model -> its terms. reads: tensor -> the terms that were contracted with
    it. norms: norm -> modules that read it. behind: norm -> the module whose output it takes.
    centred: norms that subtract the mean. unknown: operation without a rule -> how often.
    """

    axes: dict[str, list[Term]] = field(default_factory=dict)
    reads: dict[str, list[Term]] = field(default_factory=dict)
    norms: dict[str, list[str]] = field(default_factory=dict)
    behind: dict[str, str] = field(default_factory=dict)
    centred: set[str] = field(default_factory=set)
    batched: dict[str, float] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    unknown: dict[str, int] = field(default_factory=dict)
    copies: dict[Term, list[dict[Term, Term]]] = field(default_factory=dict)
    _once_used: dict[int, tuple[Term, str]] = field(default_factory=dict)
    _dims: dict[int, list[Term]] = field(default_factory=dict)
    _kept: list[Tensor] = field(default_factory=list)
    _source: dict[int, str] = field(default_factory=dict)
    _origin: dict[int, str] = field(default_factory=dict)
    _module: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def of(self, tensor: Tensor) -> list[Term]:
        """The terms of a tensor; pinned, where nothing is known of it."""
        if id(tensor) not in self._dims:
            self.set(tensor, [Term(size, DATA) for size in tensor.shape])
        return self._dims[id(tensor)]

    def set(self, tensor: Tensor, dims: Sequence[Term]) -> None:
        """Gives `tensor` its terms."""
        self._kept.append(tensor)
        self._dims[id(tensor)] = list(dims)

    def passes(self, tensor: Tensor, out: Tensor) -> None:
        """Says that `out` holds what `tensor` holds, arranged otherwise."""
        for table in (self._source, self._origin):
            if id(tensor) in table:
                table[id(out)] = table[id(tensor)]

    def pin_once_used(self, tensor: Tensor, term: Term, why: str) -> None:
        """Pins `term` as soon as anything is computed of `tensor`: its shape alone says nothing."""
        self._once_used[id(tensor)] = (term, why)

    def contracted(self, tensor: Tensor, term: Term) -> None:
        """Notes that a tensor of the model was summed over along `term`."""
        name = self._source.get(id(tensor))
        if name is not None:
            self.reads.setdefault(name, []).append(term)

    def centres(self) -> None:
        """Notes that the module at work subtracts a mean."""
        if self._module:
            self.centred.add(self._module[-1])

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if self._once_used:
            for each in tree_leaves((args, kwargs)):
                term, why = self._once_used.pop(id(each), (None, ""))
                if term is not None:
                    pin(term, why)
        name = func._schema.name.split("::")[1]
        done = False
        if name in RULES:
            try:
                done = RULES[name](self, args, kwargs, out)
            except (
                LookupError,
                TypeError,
                AttributeError,
                ArithmeticError,
                ValueError,
            ):  # an unforeseen call of it
                done = False
        if not done:
            self._pin_all(name, args, kwargs, out)
        return out

    def _pin_all(self, name: str, args: Any, kwargs: Any, out: Any) -> None:
        given = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        if given:
            self.unknown[name] = self.unknown.get(name, 0) + 1
        for tensor in given:
            for term in self.of(tensor):
                pin(term, f"{name}, for which there is no rule")
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self.set(tensor, [Term(size, DATA) for size in tensor.shape])

    # Modules

    def enters(self, name: str, module: nn.Module, tensor: Tensor) -> None:
        """A module is called with `tensor`."""
        self._module.append(name)
        origin = self._origin.get(id(tensor))
        if origin is not None and origin != name:
            if _is_norm(module):
                self.behind[name] = origin
            elif origin in self.norms and name not in self.norms[origin]:
                self.norms[origin].append(name)
        self.seen.append(Seen(name, True, list(self.of(tensor))))

    def leaves(self, name: str, module: nn.Module, tensor: Any) -> None:
        """It returned `tensor`."""
        if self._module and self._module[-1] == name:
            self._module.pop()
        if isinstance(tensor, Tensor):
            self.seen.append(Seen(name, False, list(self.of(tensor))))
            self._origin[id(tensor)] = name
            if _is_norm(module):
                self.norms.setdefault(name, [])


def _is_norm(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    gain = isinstance(weight, Tensor) and weight.ndim == 1
    return gain and not list(module.children())


def trace(
    model: nn.Module, run: Callable[[], Sequence[Tensor]], tensors: Mapping[str, Tensor]
) -> Trace:
    """The terms of one forward of `model`.

    run: the forward; returns the tensors of the answer. tensors: parameters and running statistics
    by name, whose axes are what is looked for; other buffers are data.
    """
    found = Trace()
    for name, tensor in tensors.items():
        if id(tensor) in found._dims:
            first = next(n for n, other in tensors.items() if other is tensor)
            found.axes[name] = found.axes[first]
            continue
        found.set(tensor, [Term(size) for size in tensor.shape])
        found.axes[name] = found.of(tensor)
        found._source[id(tensor)] = name
    with _hooks(model, found), torch.no_grad(), found:
        answer = run()
    for tensor in answer:
        for term in found.of(tensor):
            pin(term, ANSWER)
    _pin_repeated(found)
    return found


def _pin_repeated(found: Trace) -> None:
    """Pins what runs along a tensor twice, other than end to end, or along two whole axes."""
    why = "it runs along one tensor twice"
    for dims in found.axes.values():
        axes: dict[Term, int] = {}
        for number, dim in enumerate(dims):
            for atom in _composed_twice(dim):
                pin(atom, why)
            for atom in {each.root for each in atoms(dim)}:
                if atom in axes and not (dim.root is atom and dims[axes[atom]].root is atom):
                    pin(atom, why)
                axes[atom] = number


def _composed_twice(term: Term) -> Iterator[Term]:
    term = term.root
    if term.kind == "product":
        inside = [{atom.root for atom in atoms(part)} for part in term.parts]
        for k, some in enumerate(inside):
            for others in inside[k + 1 :]:
                yield from some & others
    for part in term.parts:
        yield from _composed_twice(part)


@contextmanager
def _hooks(model: nn.Module, found: Trace) -> Iterator[None]:
    handles: list[Any] = []
    for name, module in model.named_modules():
        if not name or not list(module.parameters(recurse=False)):
            continue

        def before(module: nn.Module, args: Any, kwargs: Any, name: str = name) -> None:
            tensor = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            if tensor is not None:
                found.enters(name, module, tensor)

        def after(module: nn.Module, args: Any, out: Any, name: str = name) -> None:
            found.leaves(name, module, out)

        handles.append(module.register_forward_pre_hook(before, with_kwargs=True))
        handles.append(module.register_forward_hook(after))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def along(found: Trace, tensors: Sequence[Tensor], out: Tensor) -> list[Term]:
    """The terms of `out`, which was broadcast from `tensors`: equal lengths are one axis."""
    dims: list[Term] = []
    for back in range(1, out.dim() + 1):
        size = out.shape[-back]
        here = [found.of(t)[-back] for t in tensors if t.dim() >= back and t.shape[-back] == size]
        if not here:
            dims.append(Term(size, DATA))
            continue
        if size > 1:
            for other in here[1:]:
                unify(here[0], other)
        dims.append(here[0])
    return dims[::-1]


def terms_one(size: int = 1) -> Term:
    """The term of an axis of length 1, or of a window of the data."""
    return Term(size, DATA)
