"""One merge in mergekit's YAML -> the fields of a recipe that does the same.

Whatever is not taken over is refused by its name and line: nothing is ignored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from hubmerge.errors.wording import quoted
from hubmerge.recipe.mergekit.document import Document
from hubmerge.recipe.mergekit.inputs import Input, Part
from hubmerge.recipe.mergekit.methods import (
    ALONG,
    METHODS,
    SPECIAL,
    WITHOUT_EFFECT,
    BaseModel,
    Method,
    parameters_of,
)
from hubmerge.recipe.mergekit.vocabulary import KEYS as VOCABULARY
from hubmerge.recipe.mergekit.vocabulary import SOURCE, TEMPLATE, TOKENIZER, vocabulary
from hubmerge.recipe.words import BASE, PASSTHROUGH
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.suggestions import did_you_mean
from hubmerge.utils.untrusted_yaml import Place

KEYS = (
    *("name", "merge_method", "models", "slices", "base_model", "parameters"),
    *("dtype", "out_dtype", "random_seed", *VOCABULARY),
)
DTYPES = ("float32", "float16", "bfloat16")
ROUNDING = 1e-6
"""How far a sum of weights may be from 1."""


def merge_of(document: Document) -> dict[str, Any]:
    """The fields of a recipe for what one document says.

    Raises: RecipeError, for what it says that cannot be done here.
    """
    if not isinstance(document.content, dict):
        raise document.refused((), "it is no merge", found=f"a {type(document.content).__name__}")
    document.check_keys((), document.content, KEYS)
    slices = document.content.get("slices")
    if isinstance(slices, list) and len(slices) > 1:
        single = document.content.get("merge_method") == PASSTHROUGH
        return _Merge(document).fields() if single else _stacked(document, len(slices))
    return _Merge(document, 0 if isinstance(slices, list) and slices else None).fields()


def _stacked(document: Document, count: int) -> dict[str, Any]:
    """Slices that are merged each, and then stacked: a stage for each but those of one model."""
    stages: dict[str, Any] = {}
    models: list[str] = []
    for number in range(count):
        fields = _Merge(document, number).fields(stacked=True)
        if "fuse" in fields:
            name = f"slice-{number + 1}"
            stages[name] = fields
            models.append(name)
        else:
            models.append(fields["models"][0])
    dtype = next((stage["dtype"] for stage in stages.values() if "dtype" in stage), None)
    kept = {"dtype": dtype, "chat_template": document.content.get(TEMPLATE)}
    of_slices = [{parse_model_ref(ref).base for ref in each["models"]} for each in stages.values()]
    for key in (SOURCE, TOKENIZER):
        if key in document.content and (
            len(stages) < count or of_slices.count(of_slices[0]) < count
        ):
            raise document.refused((key,), f"{key} of slices of other models than each other")
    return {
        "stages": stages,
        "models": tuple(models),
        "fuse": PASSTHROUGH,
        "match": "none",
        "repair": "none",
        **{name: value for name, value in kept.items() if value is not None},
    }


class _Merge:
    """slice: the number of the slice that is merged; None for a merge of whole models, and for one
    that stacks what its slices take as it is."""

    def __init__(self, document: Document, slice_: int | None = None) -> None:
        self._document, self._content = document, document.content
        self._part = Part(document, slice_)
        self._shared = self._part.parameters()

    def fields(self, *, stacked: bool = False) -> dict[str, Any]:
        """The recipe's fields. stacked: of a slice of one model that is taken as it is, the model
        alone."""
        method = self._method()
        if (
            stacked
            and len(listed := self._part.listed()) == 1
            and self._is_taken(method, listed[0])
        ):
            return {"models": (listed[0].ref,)}
        base, inputs = self._models(method)
        fields: dict[str, Any] = {
            "models": tuple(each.ref for each in inputs),
            "base": base,
            "fuse": method.fuse,
            "match": "none",
            "repair": "none",
            "dtype": self._dtype(),
            "seed": self._seed(),
            **self._settings(method, inputs),
        }
        fields |= vocabulary(self._document, self._names(base, inputs))
        return {name: value for name, value in fields.items() if value is not None}

    def _is_taken(self, method: Method, only: Input) -> bool:
        """Whether a merge of this one model is the model: of task vectors, if it is their base."""
        if method.base is not BaseModel.REQUIRED:
            return True
        return only.name == self._part.base_model()[0]

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

    def _models(self, method: Method) -> tuple[str | None, list[Input]]:
        """The common base, and the models in their order here."""
        listed, (named, place) = self._part.listed(), self._part.base_model()
        if named is None and method.base in (BaseModel.REQUIRED, BaseModel.FIRST):
            name = self._content["merge_method"]
            raise self._document.refused((), f"merge_method {name} needs a base_model")
        if named is None:
            return None, self._enough(self._alone(method, listed))
        own = [each for each in listed if each.name == named]
        others = [each for each in listed if each.name != named]
        base = (own or [replace(listed[0], ref=named + listed[0].ref[len(listed[0].name) :])])[0]
        if method.base in (BaseModel.REQUIRED, BaseModel.OPTIONAL):
            if len(others) == 1 and method.fuse in OF_ONE:
                others = [replace(base, parameters={"weight": 0.0}), *others]
            return base.ref, self._enough(others)
        if method.base is BaseModel.TOKENIZER and (
            not own or (method.fuse == PASSTHROUGH and own[0] is not listed[0])
        ):
            where = "the first" if method.fuse == PASSTHROUGH else "among the models"
            raise self._document.refused(place, f"base_model {quoted(named)} is not {where}")
        if method.fuse == PASSTHROUGH:
            return None, self._enough(self._alone(method, listed))
        first = base if own else replace(base, parameters={}, place=place, named=named)
        return None, self._enough([first, *others])

    def _alone(self, method: Method, listed: list[Input]) -> list[Input]:
        """One model that is taken as it is, beside its own base, which weighs nothing."""
        if len(listed) > 1 or method.fuse not in AS_IT_IS:
            return listed
        if method.own.keys() & {*listed[0].parameters, *(self._content.get("parameters") or {})}:
            return listed
        return [*listed, replace(listed[0], ref=parse_model_ref(listed[0].ref).base, parameters={})]

    def _enough(self, inputs: list[Input]) -> list[Input]:
        if len(inputs) < 2:
            raise self._document.refused(
                ("models",),
                "two models are needed beside a common base",
                found=", ".join(each.ref for each in inputs) or "none",
            )
        return inputs

    def _settings(self, method: Method, inputs: Sequence[Input]) -> dict[str, Any]:
        """Options, and what the models weigh."""
        name = self._content["merge_method"]
        own = {**method.own, **({"weight": "weight"} if method.weighed else {})}
        known = {*method.options, *own, *SPECIAL.get(name, ())}
        for given, place in self._shared.levels:
            for key, value in given.items():
                self._check_parameter(key, value, (*place, key), known)
        for each in inputs:
            for key, value in each.parameters.items():
                self._check_parameter(key, value, (*each.place, key), own)
        if method.fuse in AS_IT_IS and len(inputs) == 2 and len(self._part.listed()) == 1:
            return {"fuse": "average", "lam": 0.0}
        if name == "slerp":
            return self._between()
        options = self._own_options(own, inputs) | self._options(method)
        for ours, value in method.defaults.items():
            options.setdefault(ours, value)
        if name == "nuslerp":
            options |= self._along()
        if name == "linear" and not self._shared.truth("normalize", True):
            self._check_sum(options, len(inputs))
        return self._weighed(method, options, inputs)

    def _check_sum(self, options: Mapping[str, Any], count: int) -> None:
        """Raises: RecipeError, where the weights of a linear merge are not a mean's already."""
        weights = [
            options.get(f"weight/{x}", options.get("weight")) for x in ascii_uppercase[:count]
        ]
        numbers = [each for each in weights if isinstance(each, int | float)]
        varies = any("@" in key for key in options)
        if varies or len(numbers) < count or abs(sum(numbers) - 1) > ROUNDING:
            raise self._document.refused(
                self._shared.first("normalize")[1],
                "linear divides weights by their sum",
                found=f"weights {', '.join(map(str, weights))}",
                hint="weights that sum to 1, or no normalize",
            )

    def _own_options(self, own: Mapping[str, str], inputs: Sequence[Input]) -> dict[str, Any]:
        """Options of which every model may have its own, those of all models last."""
        found: dict[str, Any] = {}
        for key, ours in own.items():
            for letter, each in zip(ascii_uppercase, inputs, strict=False):
                if key in each.parameters:
                    values = self._document.values(each.parameters[key], (*each.place, key))
                    found |= _written(f"{ours}/{letter}", values)
            found |= _written(ours, self._shared.values(key))
        return found

    def _options(self, method: Method) -> dict[str, Any]:
        """Options that are one for all models."""
        found: dict[str, Any] = {}
        for key, ours in method.options.items():
            if self._shared.first(key)[0] is None:
                continue
            if ours == "rescale":
                found[ours] = "norm" if self._shared.truth(key, True) else "none"
            elif ours == "normalize":
                found[ours] = self._shared.truth(key, True)
            else:
                found |= _written(ours, self._shared.values(key))
        return found

    def _weighed(
        self, method: Method, options: dict[str, Any], inputs: Sequence[Input]
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

    def _between(self) -> dict[str, Any]:
        """slerp's t: the weight of the second model, the first having the rest."""
        given, place = self._shared.first("t")
        if given is None:
            raise self._document.refused(("parameters",), "slerp needs a t")
        values = self._shared.values("t")
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

    def _along(self) -> dict[str, str]:
        """nuslerp's two truths as one word."""
        flat, columns = (
            self._shared.truth(key, default)
            for key, default in zip(ALONG, (True, False), strict=True)
        )
        return {} if flat else {"along": "columns" if columns else "rows"}

    def _check_parameter(self, key: Any, value: Any, place: Place, known: Iterable[str]) -> None:
        if key in known:
            return
        its_own = key in parameters_of(self._content["merge_method"])
        allowed = None if its_own else WITHOUT_EFFECT.get(key)
        if allowed is not None and value in allowed:
            return
        raise self._document.refused(
            place,
            f"parameter {quoted(str(key))} of {self._content['merge_method']} is not taken"
            + (f" as {value!r}" if allowed is not None else ""),
            found=f"taken are {', '.join(sorted(known)) or 'none'}",
            hint=did_you_mean(str(key), known) or self._of_others(key),
        )

    def _of_others(self, key: Any) -> str | None:
        """What to do about a parameter that only other methods have."""
        others = [name for name in METHODS if key in parameters_of(name)]
        if not others:
            return None
        method = self._content["merge_method"]
        if method in others:
            return "it is one for all models, beside merge_method"
        return f"it is a parameter of {', '.join(others)}: without effect on {method}, leave it out"

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

    def _seed(self) -> int | None:
        given = self._content.get("random_seed")
        if given is None or (type(given) is int and given >= 0):
            return given or None
        raise self._document.refused(
            ("random_seed",), "random_seed is a whole number from 0", found=repr(given)
        )

    def _names(self, base: str | None, inputs: Sequence[Input]) -> dict[str, str]:
        """What the file calls a model -> its letter here, or "base"."""
        names = {each.name: letter for letter, each in zip(ascii_uppercase, inputs, strict=False)}
        given = self._part.base_model()[0]
        if base is not None:
            names[str(given)] = BASE
        return {**names, "base": names[given]} if given in names else names


AS_IT_IS = (PASSTHROUGH, "average")
"""Fusions that leave one model as it is."""

OF_ONE = (
    *("task-arithmetic", "ties", "dare", "dare-ties", "della", "della-linear"),
    *("breadcrumbs", "breadcrumbs-ties"),
)
"""Fusions of task vectors that are added: of one model they are made beside its base, whose own is
zero."""

MEANS = ("average", "nuslerp", "multislerp")
"""Fusions whose weights are divided by their sum."""


def _written(key: str, values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Options as a recipe has them. Of two values for the same tensors the first counts."""
    found: dict[str, Any] = {}
    for part, value in values:
        found.setdefault(f"{key}@{part}" if part else key, value)
    return found
