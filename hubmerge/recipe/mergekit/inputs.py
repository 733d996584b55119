"""The models that a merge in mergekit's YAML names, and the parameters of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hubmerge.recipe.mergekit.document import Document, Values
from hubmerge.utils.untrusted_yaml import Place

RANGED = ("model", "parameters", "layer_range")
OF_SLICES = ("sources", "parameters", "base_model")
OF_ALL: Place = ("parameters",)
"""Where parameters of the whole merge stand."""


@dataclass(frozen=True)
class Input:
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


@dataclass(frozen=True)
class Part:
    """A whole merge, or one of its slices by its number."""

    document: Document
    number: int | None = None

    @property
    def said(self) -> Any:
        """What is said of the slice, or of the whole merge."""
        content = self.document.content
        return content if self.number is None else content["slices"][self.number]

    def base_model(self) -> tuple[str | None, Place]:
        """The base model, and where it is named: by the slice, or for all. Raises: RecipeError."""
        place: Place = ("base_model",)
        given = self.document.content.get("base_model")
        if self.number is not None and "base_model" in self.said:
            given, place = self.said["base_model"], ("slices", self.number, "base_model")
        return (None if given is None else ref_in(self.document, given, place)), place

    def listed(self) -> list[Input]:
        """The models in the order of the file. Raises: RecipeError."""
        document, content = self.document, self.document.content
        if ("models" in content) == ("slices" in content):
            raise document.refused((), "either models or slices are needed")
        if "models" in content:
            return inputs_in(document, content["models"], ("models",), RANGED[:2])
        slices = content["slices"]
        if not isinstance(slices, list) or not slices:
            raise document.refused(("slices",), "slices are a list of sources")
        if self.number is not None:
            return sources_in(document, self.number)
        return [_only_source(document, number) for number in range(len(slices))]

    def parameters(self) -> Parameters:
        """Those of all its models. Raises: RecipeError."""
        levels: list[tuple[Any, Place]] = [(self.document.content, OF_ALL)]
        if self.number is not None:
            self.document.check_keys(("slices", self.number), self.said, OF_SLICES)
            levels.insert(0, (self.said, ("slices", self.number, "parameters")))
        return Parameters(
            self.document,
            [(mapping_in(self.document, holder, place), place) for holder, place in levels],
        )


@dataclass(frozen=True)
class Parameters:
    """Parameters of all models, and where they stand: those of a slice before those of all."""

    document: Document
    levels: Sequence[tuple[Mapping[str, Any], Place]]

    def first(self, key: str) -> tuple[Any, Place]:
        """A parameter that counts, and where it stands; None where there is none."""
        for given, place in self.levels:
            if key in given:
                return given[key], (*place, key)
        return None, (*OF_ALL, key)

    def truth(self, key: str, default: bool) -> bool:
        """True or false. Raises: RecipeError."""
        value, place = self.first(key)
        return default if value is None else self.document.truth(value, place)

    def values(self, key: str) -> Values:
        """What holds for tensors, the first that fits one counting. Raises: RecipeError."""
        found: Values = []
        for given, place in self.levels:
            if key in given and "" not in dict(found):
                found += self.document.values(given[key], (*place, key))
        return found


def sources_in(document: Document, number: int) -> list[Input]:
    """The sources of a slice, each with a part of its layers. Raises: RecipeError."""
    said, place = document.content["slices"][number], ("slices", number, "sources")
    document.check_keys(("slices", number), said, OF_SLICES)
    sources = inputs_in(document, said.get("sources"), place, RANGED)
    return [
        _ranged(document, source, each.get("layer_range"))
        for source, each in zip(sources, said["sources"], strict=True)
    ]


def _only_source(document: Document, number: int) -> Input:
    """The one source of a slice that is taken as it is, with what is said of the slice."""
    found, place = sources_in(document, number), ("slices", number, "sources")
    if len(found) > 1:
        raise document.refused(place, "passthrough takes one source for each slice")
    said, (only,) = document.content["slices"][number], found
    if "base_model" in said:
        raise document.refused(
            ("slices", number, "base_model"), "passthrough has no base of a slice"
        )
    shared = mapping_in(document, said, ("slices", number, "parameters"))
    for key in shared.keys() & only.parameters.keys():
        raise document.refused((*only.place, key), f"{key} is said of the slice too")
    return replace(only, parameters={**shared, **only.parameters})


def _ranged(document: Document, source: Input, given: Any) -> Input:
    """A model with a part of its layers."""
    whole = isinstance(given, list) and len(given) == 2 and all(type(n) is int for n in given)
    if not whole or not 0 <= given[0] < given[1]:
        raise document.refused(
            (*source.place[:-1], "layer_range"),
            "layer_range is the number of a layer and of one after it",
            found=f"layer_range {given}",
        )
    return replace(source, ref=f"{source.ref}[{given[0]}:{given[1]}]", named=source.ref)


def inputs_in(document: Document, given: Any, place: Place, keys: Sequence[str]) -> list[Input]:
    """The models of a list. Raises: RecipeError."""
    if not isinstance(given, list) or not given:
        raise document.refused(place, f"{place[-1]} is no list of models")
    found = []
    for number, each in enumerate(given):
        here = (*place, number)
        document.check_keys(here, each, keys)
        parameters = mapping_in(document, each, (*here, "parameters"))
        ref = ref_in(document, each.get("model"), (*here, "model"))
        found.append(Input(ref, parameters, (*here, "parameters")))
    if len({each.ref for each in found}) < len(found):
        raise document.refused(place, "a model is named twice")
    return found


def mapping_in(document: Document, holder: Any, place: Place) -> Mapping[str, Any]:
    """Parameters that something has, none where it has none. Raises: RecipeError."""
    given = holder.get("parameters") or {}
    if not isinstance(given, dict):
        raise document.refused(place, "parameters are names with values")
    return given


def ref_in(document: Document, given: Any, place: Place) -> str:
    """How a model is named: by its id or folder, or in parts, as `{model: {path, revision}, lora}`.

    Raises: RecipeError.
    """
    if not isinstance(given, dict):
        return _path_in(document, given, place)
    document.check_keys(place, given, ("model", "lora"))
    model = _path_in(document, given.get("model"), (*place, "model"))
    if given.get("lora") is None:
        return model
    return f"{model}+{_path_in(document, given['lora'], (*place, 'lora'))}"


def _path_in(document: Document, given: Any, place: Place) -> str:
    """A path, or one with a revision as a mapping. Raises: RecipeError."""
    path, revision = given, None
    if isinstance(given, dict):
        document.check_keys(place, given, ("path", "revision"))
        path, revision = given.get("path"), given.get("revision")
    if not isinstance(path, str) or not path:
        raise document.refused(place, "a model is named by its id or folder", found=repr(given))
    if revision is None:
        return path
    if not isinstance(revision, str) or not revision:
        raise document.refused(place, "a revision is a branch, tag or commit", found=repr(revision))
    return f"{path}@{revision}"
