"""Options of a fusion that depend on the layer, the tensor or the model.

    density: [1, .7, .1]        from the first layer to the last, linear in between
    density@mlp: .3             in tensors whose names contain `mlp`
    density/B: .5               of the second model
    weight/B@self_attn: [0, 1]  what the second model weighs, in attention

Of several that fit a tensor those of a model count before those of all models, then those for a
part of the names before those for all, then the one that is given first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Any

from hubmerge.errors import RecipeError
from hubmerge.errors.wording import option as mention
from hubmerge.fuse.options import FusionOption, Says, Value, settled, shown

WEIGHT, NORMALIZE = "weight", "normalize"
WEIGHS = FusionOption(WEIGHT, float, 1.0, Says("what each model weighs"), per_model=True)
DIVIDED = FusionOption(NORMALIZE, bool, False, Says("whether weights are divided by their sum"))

_KEY = re.compile(r"([^/@]+)(?:/([A-Z]))?(?:@([\w.]+))?")
_LAYER = re.compile(r"(.*?)\.(\d+)\.")

Depths = Mapping[str, int]
"""What comes before a layer's number in names of tensors -> how many layers there are."""


@dataclass(frozen=True)
class Rule:
    """One value of an option, of a model or of all, for tensors whose names contain `part`."""

    model: int | None
    part: str
    value: Value

    def at(self, place: float) -> Value:
        """The value at a place, from 0 for the first layer to 1 for the last."""
        if not isinstance(self.value, tuple):
            return self.value
        knots = self.value
        at = place * (len(knots) - 1)
        low = min(int(at), len(knots) - 1)
        high = min(low + 1, len(knots) - 1)
        return knots[low] + (at - low) * (knots[high] - knots[low])


@dataclass(frozen=True)
class Settings:
    """The options of a fusion of so many models.

    plain: those that are the same everywhere. rules: of the others, in the order they were given;
    `weight` among them replaces the models' weights. sums: whether models are weighed by any
    numbers, as task vectors are, which need not sum to 1.
    """

    plain: Mapping[str, Any]
    rules: Mapping[str, tuple[Rule, ...]] = field(default_factory=dict)
    options: Mapping[str, FusionOption] = field(default_factory=dict)
    models: int = 0
    sums: bool = False

    def at(self, name: str, depths: Depths) -> tuple[tuple[float, ...] | None, dict[str, Any]]:
        """The weights, where they were given as an option, and the options for a tensor."""
        found: dict[str, Any] = dict(self.plain)
        for option, rules in self.rules.items():
            values = [self._of(option, rules, model, name, depths) for model in range(self.models)]
            varies = self.options[option].per_model and len({*values}) > 1
            found[option] = tuple(values) if varies or option == WEIGHT else values[0]
        weights = found.pop(WEIGHT, None)
        divided = found.pop(NORMALIZE) if self.sums and DIVIDED in self.options.values() else False
        if weights is not None and (divided or not self.sums):
            total = sum(weights)
            if total <= 0:
                raise RecipeError(
                    f"the weights of {name} add up to {total:g}",
                    found=", ".join(f"{weight:g}" for weight in weights),
                    hint="weights with a sum above 0",
                    field="fuse_options",
                )
            weights = tuple(weight / total for weight in weights)
        return weights, found

    def _of(
        self, option: str, rules: tuple[Rule, ...], model: int, name: str, depths: Depths
    ) -> Value:
        fitting = [rule for rule in rules if rule.part in name and rule.model in (None, model)]
        if fitting:  # the first of those that are said most narrowly
            rule = min(fitting, key=lambda each: (each.model is None, not each.part))
            return rule.at(place(name, depths))
        default: Value = self.options[option].default
        return default


def read_settings(
    fusion: str,
    options: Mapping[str, FusionOption],
    given: Mapping[str, Value],
    *,
    models: int,
    tensorwise: bool,
    weighs: bool,
) -> Settings:
    """The options of a fusion as they are given for a merge of so many models.

    Raises: RecipeError, for a name or value that the fusion does not take.
    """
    sums = "scale" in options
    known = dict(options)
    keys = {key: _split(key) for key in given}
    names = {name for name, _, _ in keys.values()}
    if tensorwise and weighs and WEIGHT in names:
        known[WEIGHT] = WEIGHS
        if sums:
            known.setdefault(NORMALIZE, DIVIDED)
    varying = {n for k, (n, m, p) in keys.items() if m or p or isinstance(given[k], tuple | list)}
    varying |= {WEIGHT} & names
    simple = {key: value for key, value in given.items() if keys[key][0] not in varying}
    plain = settled(fusion, {n: o for n, o in known.items() if n not in varying}, simple)
    if not varying:
        return Settings(plain, {}, known, models, sums)
    settled(fusion, known, {n: known[n].default if n in known else 0 for n in sorted(varying)})
    if not tensorwise:
        raise RecipeError(
            f"{mention('fuse', fusion)} looks at whole models",
            found=", ".join(key for key in given if keys[key][0] in varying),
            hint="one value for all layers and tensors",
            field="fuse_options",
        )
    rules: dict[str, list[Rule]] = {}
    for key, value in given.items():
        name, model, part = keys[key]
        if name in varying:
            rules.setdefault(name, []).append(_rule(key, known[name], (model, part), value, models))
    if WEIGHT in rules:
        _check_weights(rules[WEIGHT], models)
    return Settings(plain, {n: tuple(each) for n, each in rules.items()}, known, models, sums)


def depths_of(names: Iterable[str]) -> Depths:
    """How many layers the names of a model's tensors speak of."""
    found: dict[str, int] = {}
    for name in names:
        if (layer := _LAYER.match(name)) is not None:
            found[layer[1]] = max(found.get(layer[1], 0), int(layer[2]) + 1)
    return found


def place(name: str, depths: Depths) -> float:
    """Where a tensor's layer is, from 0 to 1: the first number in its name; 0 outside layers."""
    layer = _LAYER.match(name)
    count = depths.get(layer[1], 0) if layer is not None else 0
    return int(layer[2]) / (count - 1) if layer is not None and count > 1 else 0.0


def varies(given: Mapping[str, Value]) -> bool:
    """Whether options depend on layers, tensors or models."""
    return any(
        isinstance(value, tuple | list) or _split(key)[1:] != ("", "") or _split(key)[0] == WEIGHT
        for key, value in given.items()
    )


def weighs(given: Mapping[str, Value]) -> bool:
    """Whether an option says what the models weigh."""
    return any(_split(key)[0] == WEIGHT for key in given)


def option_name(key: str) -> str:
    """The option that a key speaks of: `density` of `density/B@mlp`."""
    return _split(key)[0]


def _split(key: str) -> tuple[str, str, str]:
    """Name of the option, letter of the model and part of names; "" where there is none."""
    found = _KEY.fullmatch(key)
    return (key, "", "") if found is None else (found[1], found[2] or "", found[3] or "")


def _rule(
    key: str, option: FusionOption, where: tuple[str, str], value: Value, models: int
) -> Rule:
    letter, part = where
    model = ascii_uppercase.index(letter) if letter else None
    if model is not None and (model >= models or not option.per_model):
        raise RecipeError(
            mention(f"fuse_options.{key}", shown(value)),
            found=f"{models} models: A to {ascii_uppercase[models - 1]}"
            if option.per_model
            else f"{option.name} is one for all models",
            field="fuse_options",
        )
    if isinstance(value, tuple | list):
        if option.kind is not float or not value:
            raise RecipeError(
                mention(f"fuse_options.{key}", shown(value)),
                found=option.says.meaning,
                hint=option.takes,
                field="fuse_options",
            )
        return Rule(model, part, tuple(float(option.read(each)) for each in value))
    return Rule(model, part, option.read(value))


def _check_weights(rules: list[Rule], models: int) -> None:
    """Raises: RecipeError, if a model has no weight that holds for every tensor."""
    whole = {rule.model for rule in rules if not rule.part}
    missing = [n for n in range(models) if None not in whole and n not in whole]
    if missing:
        names = ", ".join(ascii_uppercase[n] for n in missing)
        raise RecipeError(
            f"{mention('fuse_options.weight')} says nothing of {names}",
            found="weights are given for single tensors or other models",
            hint=mention(f"fuse_options.weight/{ascii_uppercase[missing[0]]}", 1),
            field="fuse_options",
        )
