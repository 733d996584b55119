"""What a fusion is. Each is one file in `methods/`, or a plugin's, that registers one function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypedDict, TypeVar, Unpack

from torch import Tensor

from hubmerge.data.batches import Batches
from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option
from hubmerge.fuse.correction import Correction, corrected, corrections
from hubmerge.fuse.laws import LAWS
from hubmerge.fuse.options import FusionOption, Value, options_of
from hubmerge.fuse.result import Fused
from hubmerge.fuse.validation_scorer import Finish, ValidationScorer
from hubmerge.fuse.varying import Depths, Settings, depths_of, option_name, read_settings
from hubmerge.models.method_context import MethodContext
from hubmerge.registry import registry
from hubmerge.symmetry.permutation import State

DATA_FREE, LABEL_FREE, LABELLED = "data-free", "label-free", "labelled"
"""Marks: no row is looked at; calibration rows without labels; labelled rows: of validation for
what chooses, of calibration for what learns."""

Mark = Literal["data-free", "label-free", "labelled"]
Result = Fused | dict[str, Tensor]


@dataclass(frozen=True)
class Given:
    """What a fusion may ask for beside the models and their weights.

    base: the common base of the models, in their order of units. options: as the recipe has them.
    depths: how many layers the models have, where a fusion is given a part of them. finish:
    repairs a candidate before it is judged; None leaves it as it is.
    """

    base: State | None = None
    seed: int = 0
    options: Mapping[str, Value] = field(default_factory=dict)
    depths: Depths = field(default_factory=dict)
    finish: Finish | None = None


@dataclass(frozen=True, kw_only=True)
class Fusion:
    """A registered way to combine: a pure function of aligned states and the weight of each.

    What else the function takes by name is what it is given: `context` (calibration batches and a
    model to run), `scorer` (validation rows), `sampler` (calibration batches with their labels),
    `base`, `seed`, and its options.
    laws: those of `LAWS` it obeys. linear: its merges are points of the linear path between the
    aligned parents, so that the path's curve is also theirs. weighs: whether it takes the weights
    it is given; else it finds its own. of_a_run: its models are checkpoints of one training run,
    in order. random: it draws from the seed, whatever its options. sets_statistics: it measures
    its own, so that nothing is repaired after it. tensorwise: it looks at one tensor at a time.
    elementwise: at one element of one tensor. softmax: it reads outputs as a distribution of which
    one class is right. pair: it takes two models and no more. base_optional: it also works without
    the base that it takes.
    """

    name: str
    function: Callable[..., Result]
    source: str
    laws: frozenset[str]
    linear: bool
    weighs: bool
    of_a_run: bool
    random: bool
    sets_statistics: bool
    tensorwise: bool
    elementwise: bool
    softmax: bool
    pair: bool
    spectral: bool
    base_optional: bool
    asks: frozenset[str]
    options: dict[str, FusionOption]

    @property
    def summary(self) -> str:
        """First line of the function's docstring."""
        return (self.function.__doc__ or "").strip().splitlines()[0]

    @property
    def needs(self) -> Mark:
        """What of a data set it looks at."""
        if "scorer" in self.asks:
            return "labelled"
        return "label-free" if "context" in self.asks else "data-free"

    @property
    def learns(self) -> bool:
        """Whether it trains on labelled calibration rows."""
        return "sampler" in self.asks

    @property
    def one_of_n(self) -> bool:
        """Whether it is of no use for outputs that are no distribution."""
        return self.softmax or self.learns

    @property
    def needs_data(self) -> bool:
        """Whether it runs models on any rows."""
        return self.needs != DATA_FREE

    @property
    def cost(self) -> int:
        """What it takes, in steps: 0 reads tensors, 1 decomposes them, 2 runs models on unlabelled
        rows, 3 learns from them, 4 looks at labelled rows.
        """
        if self.needs == LABELLED:
            return 4
        if self.needs_data:
            return 3 if "iterations" in self.options else 2
        return 1 if self.spectral else 0

    @property
    def takes_base(self) -> bool:
        """Whether it looks at the model its models were made from, where that is given."""
        return "base" in self.asks

    @property
    def needs_base(self) -> bool:
        """Whether it needs the model its models were made from."""
        return self.takes_base and not self.base_optional

    def make(
        self,
        states: Sequence[State],
        weights: Sequence[float],
        context: MethodContext,
        given: Given | None = None,
    ) -> Fused:
        """Combines aligned `states`. A fusion that needs no data leaves `context` alone.

        Raises: RecipeError, if an option is unknown, the base it needs is not there, or it takes
        two models and these are more.
        """
        given = given or Given()
        self._check(states, given)
        finish = given.finish or (lambda state, weights: state)
        offered: dict[str, Any] = {
            "context": context,
            "sampler": _sampler(self.name, context) if self.learns else None,
            "scorer": ValidationScorer(context, finish, given.seed),
            "base": given.base,
            "seed": given.seed,
        }
        asked = {name: offered[name] for name in self.asks}
        made = self._carried_out(states, weights, asked, given)
        return replace(made, state=_tied(made.state, context))

    def of_one_tensor(
        self, states: Sequence[State], weights: Sequence[float], given: Given
    ) -> Fused:
        """What a tensorwise fusion makes of states that hold one tensor, or a part of one.

        Raises: as `make`.
        """
        self._check(states, given)
        offered: dict[str, Any] = {"base": given.base, "seed": given.seed}
        return self._carried_out(states, weights, {n: offered[n] for n in self.asks}, given)

    def in_pieces(self, options: Mapping[str, Value]) -> bool:
        """Whether it can be given a part of a tensor: it is elementwise, and so is all after it."""
        return self.elementwise and not self._after(options)

    def decomposes(self, options: Mapping[str, Value]) -> bool:
        """Whether it decomposes matrices, or a correction does."""
        return self.spectral or any(each.spectral for each in self._after(options))

    def _after(self, options: Mapping[str, Value]) -> list[Correction]:
        """The corrections among the options."""
        asked = {option_name(each) for each in options} if self.takes_base else set()
        return [each for name, each in corrections().items() if name in asked]

    def settings(self, options: Mapping[str, Value], models: int) -> Settings:
        """Its options for a merge of so many models; corrections only where they are among them.

        Raises: RecipeError.
        """
        return read_settings(
            self.name,
            {**self.options, **{each.name: each.option for each in self._after(options)}},
            options,
            models=models,
            tensorwise=self.tensorwise,
            weighs=self.weighs,
        )

    def _carried_out(
        self,
        states: Sequence[State],
        weights: Sequence[float],
        asked: Mapping[str, Any],
        given: Given,
    ) -> Fused:
        """What the function makes of the states; where its options vary, of tensors alike in them.

        asked: what it is given beside its options.
        """
        settings = self.settings(given.options, len(states))
        depths = given.depths or depths_of(states[0])
        if not settings.rules:
            return self._corrected(states, weights, asked, settings.plain, depths)
        alike: dict[Any, list[str]] = {}
        for name in states[0]:
            own, options = settings.at(name, depths)
            alike.setdefault((own, tuple(options.items())), []).append(name)
        merged: dict[str, Tensor] = {}
        for (own, options), names in alike.items():
            parts = [{name: state[name] for name in names} for state in states]
            rest = dict(asked)
            if rest.get("base") is not None:
                rest["base"] = {name: asked["base"][name] for name in names}
            made = self._corrected(parts, own or weights, rest, dict(options), depths)
            merged |= made.state
        return Fused({name: merged[name] for name in states[0]})

    def _corrected(
        self,
        states: Sequence[State],
        weights: Sequence[float],
        asked: Mapping[str, Any],
        options: Mapping[str, Any],
        depths: Depths,
    ) -> Fused:
        """What the function makes of the states, and what the corrections among its options do."""
        own = {name: value for name, value in options.items() if name in self.options}
        made = self.function(states, weights, **asked, **own)
        fused = made if isinstance(made, Fused) else Fused(made)
        after = {name: value for name, value in options.items() if name not in own}
        if not after or asked.get("base") is None:
            return fused
        weights = fused.weights or weights
        state = corrected(fused.state, states, weights, asked["base"], after, depths)
        return replace(fused, state=state)

    def _check(self, states: Sequence[State], given: Given) -> None:
        if self.needs_base and given.base is None:
            raise base_missing(self.name)
        if self.pair and len(states) != 2:
            raise two_only(self.name, len(states))

    def fuse(
        self,
        states: Sequence[State],
        weights: Sequence[float],
        context: MethodContext,
        given: Given | None = None,
    ) -> dict[str, Tensor]:
        """The tensors of what `make` makes."""
        return self.make(states, weights, context, given).state


def _sampler(name: str, context: MethodContext) -> Batches:
    """The calibration rows with their labels. Raises: RecipeError, if there are none."""
    rows = context.batches
    if not isinstance(rows, Batches) or not len(rows) or rows.labels is None:
        raise RecipeError(
            f"{option('fuse', name)} learns from labelled calibration rows",
            found="there are none",
            field="fuse",
        )
    return rows


def _tied(state: dict[str, Tensor], context: MethodContext) -> dict[str, Tensor]:
    """`state` in which one parameter under several names has one value, that of the first."""
    first: dict[int, str] = {}
    tied = dict(state)
    for name, parameter in context.scratch.named_parameters(remove_duplicate=False):
        if name in state:
            tied[name] = state[first.setdefault(id(parameter), name)]
    return tied


def base_missing(name: str) -> RecipeError:
    """The error for a fusion that needs the models' common base."""
    return RecipeError(
        f"{option('fuse', name)} needs the models' common base",
        hint=f"{option('base', 'ID')}: the model they were all made from",
        field="base",
    )


def two_only(name: str, count: int) -> RecipeError:
    """The error for a fusion of two models that is given `count`."""
    return RecipeError(
        f"{option('fuse', name)} takes two models",
        found=f"{count} models",
        hint=f"{option('fuse', 'average')}, which takes any number",
        field="fuse",
    )


ASKED = frozenset({"context", "scorer", "sampler", "base", "seed"})

F = TypeVar("F", bound=Callable[..., Any])


class Traits(TypedDict, total=False):
    """What a fusion declares of itself, False unless said; `weighs` is True: see `Fusion`."""

    linear: bool
    weighs: bool
    of_a_run: bool
    random: bool
    sets_statistics: bool
    tensorwise: bool
    elementwise: bool
    softmax: bool
    pair: bool
    spectral: bool


def fusion(
    name: str | None = None,
    *,
    source: str,
    laws: Sequence[str] = (),
    **traits: Unpack[Traits],
) -> Callable[[F], F]:
    """Registers the decorated function under its file's name; `source`: where it is described.

    Raises: ValueError, if it declares a law that is not in `LAWS`.
    """
    unknown = sorted(set(laws) - set(LAWS))
    if unknown:
        raise ValueError(f"no laws: {', '.join(unknown)}; there are {', '.join(LAWS)}")

    def register(function: F) -> F:
        parameters = inspect.signature(function).parameters

        def make(called: str) -> Fusion:
            return Fusion(
                name=called,
                function=function,
                source=source,
                laws=frozenset(laws),
                linear=traits.get("linear", False),
                weighs=traits.get("weighs", True),
                of_a_run=traits.get("of_a_run", False),
                random=traits.get("random", False),
                sets_statistics=traits.get("sets_statistics", False),
                tensorwise=traits.get("tensorwise", False) or traits.get("elementwise", False),
                elementwise=traits.get("elementwise", False),
                softmax=traits.get("softmax", False),
                pair=traits.get("pair", False),
                spectral=traits.get("spectral", False),
                base_optional="base" in parameters and parameters["base"].default is None,
                asks=frozenset(ASKED & set(parameters)),
                options=options_of(function),
            )

        registry("fusions").add(function, make, name)
        return function

    return register


def fusions() -> dict[str, Fusion]:
    """Every registered fusion, by name."""
    return registry("fusions").all()


def find_fusion(name: str) -> Fusion:
    """The fusion called `name`. Raises RecipeError with the names there are."""
    found: Fusion = registry("fusions").get(name)
    return found
