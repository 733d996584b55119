"""A merge in mergekit's YAML -> the fields of a recipe that does the same.

Whatever is not taken over is refused by its name and line: nothing is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from hubmerge.errors.wording import quoted
from hubmerge.recipe.mergekit.document import Document
from hubmerge.recipe.mergekit.methods import METHODS, WITHOUT_EFFECT, BaseModel, Method
from hubmerge.recipe.mergekit.vocabulary import KEYS as VOCABULARY
from hubmerge.recipe.mergekit.vocabulary import vocabulary
from hubmerge.recipe.words import BASE, PASSTHROUGH
from hubmerge.utils.suggestions import did_you_mean
from hubmerge.utils.untrusted_yaml import Lines, Place

KEYS = (
    *("merge_method", "models", "slices", "base_model", "parameters"),
    *("dtype", "out_dtype", *VOCABULARY),
)
DTYPES = ("float32", "float16", "bfloat16")
ALONG = ("nuslerp_flatten", "nuslerp_row_wise")
RANGED = ("model", "parameters", "layer_range")
SPECIAL: Mapping[str, tuple[str, ...]] = {
    "linear": ("normalize",),
    "slerp": ("t",),
    "nuslerp": ALONG,
}
"""Parameters that are no option here by another name."""

_MARK = re.compile(r"^[ \t]*merge_method[ \t]*:", re.MULTILINE)


def is_mergekits(text: str) -> bool:
    """Whether the text of a file is written for mergekit: ours have no `merge_method`."""
    return _MARK.search(text) is not None


def recipe_of(content: Any, lines: Lines, file: str) -> dict[str, Any]:
    """The fields of a recipe for what one document says.

    Raises: RecipeError, for what it says that cannot be done here.
    """
    return _Merge(Document(content, lines, file)).fields()


@dataclass(frozen=True)
class _Input:
    """A model, and where its parameters stand. named: what the file calls it, where its reference
    says more."""

    ref: str
    parameters: Mapping[str, Any]
    place: Place
    named: str | None = None

    @property
    def name(self) -> str:
        """What the file calls it."""
        return self.named or self.ref


class _Merge:
    def __init__(self, document: Document) -> None:
        self._document, self._content = document, document.content
        if not isinstance(self._content, dict):
            found = f"a {type(self._content).__name__}"
            raise document.refused((), "it is no merge", found=found)

    def fields(self) -> dict[str, Any]:
        """The recipe's fields."""
        self._document.check_keys((), self._content, KEYS)
        method = self._method()
        base, inputs = self._models(method)
        fields: dict[str, Any] = {
            "models": tuple(each.ref for each in inputs),
            "base": base,
            "fuse": method.fuse,
            "match": "none",
            "repair": "none",
            "dtype": self._dtype(),
            **self._settings(method, inputs),
        }
        fields |= vocabulary(self._document, self._names(base, inputs))
        return {name: value for name, value in fields.items() if value is not None}

    def _method(self) -> Method:
        name = self._content.get("merge_method")
        if name not in METHODS:
            raise self._document.refused(
                ("merge_method",),
                f"merge_method {quoted(str(name))} is not taken",
                found=f"taken are {', '.join(METHODS)}",
                hint=did_you_mean(str(name), METHODS),
            )
        return METHODS[name]

    def _models(self, method: Method) -> tuple[str | None, list[_Input]]:
        """The common base, and the models in their order here."""
        listed = self._listed()
        given = self._content.get("base_model")
        named = None if given is None else self._ref(given, ("base_model",))
        if named is None and method.base in (BaseModel.REQUIRED, BaseModel.FIRST):
            name = self._content["merge_method"]
            raise self._document.refused((), f"merge_method {name} needs a base_model")
        if named is None:
            return None, self._enough(listed)
        own = [each for each in listed if each.name == named]
        others = [each for each in listed if each.name != named]
        base = (own or [replace(listed[0], ref=named + listed[0].ref[len(listed[0].name) :])])[0]
        if method.base in (BaseModel.REQUIRED, BaseModel.OPTIONAL):
            return base.ref, self._enough(others)
        if method.base is BaseModel.TOKENIZER and (
            not own or (method.fuse == PASSTHROUGH and own[0] is not listed[0])
        ):
            where = "the first" if method.fuse == PASSTHROUGH else "among the models"
            raise self._document.refused(
                ("base_model",), f"base_model {quoted(named)} is not {where}"
            )
        if method.fuse == PASSTHROUGH:
            return None, self._enough(listed)
        first = base if own else replace(base, parameters={}, place=("base_model",), named=named)
        return None, self._enough([first, *others])

    def _enough(self, inputs: list[_Input]) -> list[_Input]:
        if len(inputs) < 2:
            raise self._document.refused(
                ("models",),
                "two models are needed beside a common base",
                found=", ".join(each.ref for each in inputs) or "none",
            )
        return inputs

    def _listed(self) -> list[_Input]:
        """The models in the order of the file."""
        if ("models" in self._content) == ("slices" in self._content):
            raise self._document.refused((), "either models or slices are needed")
        if "models" in self._content:
            place: Place = ("models",)
            return self._inputs(self._content["models"], place, ("model", "parameters"))
        slices = self._content["slices"]
        if not isinstance(slices, list) or not slices:
            raise self._document.refused(("slices",), "slices are a list of sources")
        stacks = self._content["merge_method"] == PASSTHROUGH
        if len(slices) > 1 and not stacks:
            raise self._document.refused(
                ("slices",),
                "stacking several slices of merged layers is not taken",
                hint="merge whole models first, then stack their layers by passthrough",
            )
        found: list[_Input] = []
        for number, each in enumerate(slices):
            place = ("slices", number, "sources")
            self._document.check_keys(("slices", number), each, ("sources",))
            sources = self._inputs(each.get("sources"), place, RANGED)
            if stacks and len(sources) > 1:
                raise self._document.refused(place, "passthrough takes one source for each slice")
            for source, said in zip(sources, each["sources"], strict=True):
                place_of_range = (*source.place[:-1], "layer_range")
                found.append(self._ranged(source, said.get("layer_range"), place_of_range))
        return found

    def _ranged(self, source: _Input, given: Any, place: Place) -> _Input:
        """A model with a part of its layers."""
        whole = isinstance(given, list) and len(given) == 2 and all(type(n) is int for n in given)
        if not whole or not 0 <= given[0] < given[1]:
            raise self._document.refused(
                place,
                "layer_range is the number of a layer and of one after it",
                found=f"layer_range {given}",
            )
        return replace(source, ref=f"{source.ref}[{given[0]}:{given[1]}]", named=source.ref)

    def _inputs(self, given: Any, place: Place, keys: Sequence[str]) -> list[_Input]:
        if not isinstance(given, list) or not given:
            raise self._document.refused(place, f"{place[-1]} is no list of models")
        found = []
        for number, each in enumerate(given):
            here = (*place, number)
            self._document.check_keys(here, each, keys)
            parameters = each.get("parameters") or {}
            if not isinstance(parameters, dict):
                raise self._document.refused(
                    (*here, "parameters"), "parameters are names with values"
                )
            ref = self._ref(each.get("model"), (*here, "model"))
            found.append(_Input(ref, parameters, (*here, "parameters")))
        if len({each.ref for each in found}) < len(found):
            raise self._document.refused(place, "a model is named twice")
        return found

    def _ref(self, given: Any, place: Place) -> str:
        if not isinstance(given, str) or not given:
            raise self._document.refused(
                place, "a model is named by its id or folder", found=repr(given)
            )
        return given

    def _settings(self, method: Method, inputs: Sequence[_Input]) -> dict[str, Any]:
        """Options, and what the models weigh."""
        shared, name = self._content.get("parameters") or {}, self._content["merge_method"]
        if not isinstance(shared, dict):
            raise self._document.refused(("parameters",), "parameters are names with values")
        own = {**method.own, **({"weight": "weight"} if method.weighed else {})}
        known = {*method.options, *own, *SPECIAL.get(name, ())}
        for key, value in shared.items():
            self._check_parameter(key, value, ("parameters", key), known)
        for each in inputs:
            for key, value in each.parameters.items():
                self._check_parameter(key, value, (*each.place, key), own)
        if name == "slerp":
            return self._between(shared)
        options = self._own_options(own, shared, inputs) | self._options(method, shared)
        for ours, value in method.defaults.items():
            options.setdefault(ours, value)
        if name == "nuslerp":
            options |= self._along(shared)
        place = ("parameters", "normalize")
        if name == "linear" and not self._document.truth(shared.get("normalize", True), place):
            hint = "weights that sum to 1, and no normalize"
            raise self._document.refused(place, "linear divides weights by their sum", hint=hint)
        return self._weighed(method, options, inputs)

    def _own_options(
        self, own: Mapping[str, str], shared: Mapping[str, Any], inputs: Sequence[_Input]
    ) -> dict[str, Any]:
        """Options of which every model may have its own, those of all models last."""
        found: dict[str, Any] = {}
        for key, ours in own.items():
            for letter, each in zip(ascii_uppercase, inputs, strict=False):
                if key in each.parameters:
                    values = self._document.values(each.parameters[key], (*each.place, key))
                    found |= _written(f"{ours}/{letter}", values)
            if key in shared:
                found |= _written(ours, self._document.values(shared[key], ("parameters", key)))
        return found

    def _options(self, method: Method, shared: Mapping[str, Any]) -> dict[str, Any]:
        """Options that are one for all models."""
        found: dict[str, Any] = {}
        for key, ours in method.options.items():
            if key not in shared:
                continue
            value, place = shared[key], ("parameters", key)
            if ours == "rescale":
                found[ours] = "norm" if self._document.truth(value, place) else "none"
            elif ours == "normalize":
                found[ours] = self._document.truth(value, place)
            else:
                found |= _written(ours, self._document.values(value, place))
        return found

    def _weighed(
        self, method: Method, options: dict[str, Any], inputs: Sequence[_Input]
    ) -> dict[str, Any]:
        """Weights that are the same everywhere and only divide a mean are the recipe's own."""
        letters = [letter for letter, _ in zip(ascii_uppercase, inputs, strict=False)]
        if method.weighed:
            for letter, each in zip(letters, inputs, strict=True):
                if f"weight/{letter}" not in options and "weight" not in options:
                    what = f"the weight of {each.ref} is missing"
                    raise self._document.refused(each.place, what)
        given = [options.get(f"weight/{x}", options.get("weight")) for x in letters]
        weights = [float(each) for each in given if isinstance(each, int | float) and each >= 0]
        varies = any(key.startswith("weight") and "@" in key for key in options)
        if len(weights) < len(inputs) or varies or method.fuse not in MEANS or not sum(weights):
            return {"fuse_options": options} if options else {}
        rest = {k: v for k, v in options.items() if k.partition("/")[0] != "weight"}
        shares = tuple(weight / sum(weights) for weight in weights)
        return {"weights": shares, **({"fuse_options": rest} if rest else {})}

    def _between(self, shared: Mapping[str, Any]) -> dict[str, Any]:
        """slerp's t: the weight of the second model, the first having the rest."""
        place = ("parameters", "t")
        if "t" not in shared:
            raise self._document.refused(("parameters",), "slerp needs a t")
        values = self._document.values(shared["t"], place)
        if len(values) == 1 and isinstance(values[0][1], int | float):
            return {"lam": float(values[0][1])}
        if "" not in [part for part, _ in values]:
            raise self._document.refused(place, "t says nothing of tensors that no filter fits")
        options: dict[str, Any] = {}
        for part, value in values:
            at = f"@{part}" if part else ""
            rest = [1 - each for each in value] if isinstance(value, list) else 1 - value
            options.setdefault(f"weight/A{at}", rest)
            options.setdefault(f"weight/B{at}", value)
        return {"fuse_options": options}

    def _along(self, shared: Mapping[str, Any]) -> dict[str, str]:
        """nuslerp's two truths as one word."""
        flat, columns = (
            self._document.truth(shared.get(key, default), ("parameters", key))
            for key, default in zip(ALONG, (True, False), strict=True)
        )
        return {} if flat else {"along": "columns" if columns else "rows"}

    def _check_parameter(self, key: Any, value: Any, place: Place, known: Iterable[str]) -> None:
        if key in known:
            return
        allowed = WITHOUT_EFFECT.get(key)
        if allowed is not None and value in allowed:
            return
        raise self._document.refused(
            place,
            f"parameter {quoted(str(key))} of {self._content['merge_method']} is not taken"
            + (f" as {value!r}" if allowed is not None else ""),
            found=f"taken are {', '.join(sorted(known)) or 'none'}",
            hint=did_you_mean(str(key), known),
        )

    def _dtype(self) -> str | None:
        for key in ("out_dtype", "dtype"):
            given = self._content.get(key)
            if given is not None and given not in DTYPES:
                raise self._document.refused(
                    (key,),
                    f"{key} {quoted(str(given))} is not taken",
                    found=f"taken are {', '.join(DTYPES)}",
                )
        return self._content.get("out_dtype") or self._content.get("dtype")

    def _names(self, base: str | None, inputs: Sequence[_Input]) -> dict[str, str]:
        """What the file calls a model -> its letter here, or "base"."""
        names = {each.name: letter for letter, each in zip(ascii_uppercase, inputs, strict=False)}
        given = self._content.get("base_model")
        if base is not None:
            names[str(given)] = BASE
        return {**names, "base": names[given]} if given in names else names


MEANS = ("average", "nuslerp", "multislerp")
"""Fusions whose weights are divided by their sum."""


def _written(key: str, values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Options as a recipe has them. Of two values for the same tensors the first counts."""
    found: dict[str, Any] = {}
    for part, value in values:
        found.setdefault(f"{key}@{part}" if part else key, value)
    return found
