"""Whether the modules of sentence-transformers repositories let their models merge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hubmerge.data.sentence_modules import KNOWN, MODULES, POOLING, json_of, ways_of
from hubmerge.errors import MismatchError, WeightsError
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.source import Source


class Sourced(Protocol):
    """A `Description` or a `LoadedModel`."""

    @property
    def source(self) -> Source: ...


def check_modules(models: Sequence[Sourced]) -> None:
    """Raises: MismatchError, if the modules of two models differ; WeightsError, if one of them has
    weights of its own, which nothing here merges.
    """
    first, *others = ((_modules(model.source), model.source.ref) for model in models)
    for found, ref in (first, *others):
        for kind, path in found:
            if kind not in KNOWN:
                raise WeightsError(
                    f"{ref} has a module that may hold weights of its own: {path}",
                    found=f"{kind} in {MODULES}; those without are {', '.join(KNOWN)}",
                    hint="merge the transformer alone: remove the module in copies of all parents",
                )
    for found, ref in others:
        if found != first[0]:
            raise MismatchError(
                f"{first[1]} and {ref} have different modules",
                found=f"{_listed(first[0])} in {first[1]}\n{_listed(found)} in {ref}",
                source=MODULES,
                hint="only models that embed texts in the same way merge",
            )
    said = [_pooling(model.source) for model in models]
    for model, theirs in zip(models, said, strict=True):
        if theirs != said[0]:
            raise MismatchError(
                f"{first[1]} and {model.source.ref} pool tokens differently",
                found=f"{said[0]}\n{theirs}",
                hint="only models that embed texts in the same way merge",
            )


def _modules(source: Source) -> list[tuple[str, str]]:
    if MODULES not in file_sizes(source):
        return []
    found = json_of(fetch_file(source, MODULES), source.ref)
    return [
        (str(each.get("type", "")).rpartition(".")[2], str(each.get("path", "")))
        for each in (found if isinstance(found, list) else [])
        if isinstance(each, dict)
    ]


def _pooling(source: Source) -> list[tuple[str, ...]]:
    return [
        ways_of(json_of(fetch_file(source, f"{path}/config.json"), source.ref), source.ref)
        for kind, path in _modules(source)
        if kind == POOLING and f"{path}/config.json" in file_sizes(source)
    ]


def _listed(modules: Sequence[tuple[str, str]]) -> str:
    return ", ".join(kind for kind, _ in modules) or f"no {MODULES}"
