"""What a configuration may say, given what is stored: refused before anything is made of it.

A configuration of a hundred bytes can ask for a billion layers. Every layer and every label has
numbers of its own, so the headers of the weights bound what it may ask for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hubmerge.errors import HubmergeError, RemoteCodeError, WeightsError
from hubmerge.errors.wording import option
from hubmerge.hub.headers import WeightsHeader
from hubmerge.hub.layout import CONFIG
from hubmerge.utils.limits import LABELS, LIST_ITEMS, PARAMETERS, TENSORS
from hubmerge.utils.suggestions import did_you_mean

REPEATED = re.compile(r"layer|depth|block|stage|group|repeat|(^|_)(num|n)_heads?$", re.IGNORECASE)
"""Fields that say how often a part is repeated ..."""
NO_COUNT = re.compile(r"size|dim|width|drop|eps|_id$|index|stride|kernel", re.IGNORECASE)
"""... and those among them that say something else."""
FEW = 1_000
"""A count that is never refused."""

EXPLICIT = "transformers_weights"
"""A field by which a configuration chooses a file to load."""

ATTENTION = (
    "_attn_implementation",
    "attn_implementation",
    "_attn_implementation_internal",
    "_experts_implementation",
    "experts_implementation",
    "_experts_implementation_internal",
)
"""Fields that choose how something is computed, by a name of transformers or by a repository."""
OWN_NAME = re.compile(r"\w+(\|\w+)?", re.ASCII)
"""What a name of transformers looks like; anything else may be a repository of code."""

_SHAPES: Mapping[str, tuple[type, ...]] = {
    "model_type": (str,),
    "architectures": (list,),
    "auto_map": (dict,),
    "id2label": (dict, list),
    "label2id": (dict,),
    "num_labels": (int,),
    "problem_type": (str,),
}
"""Fields that are read here -> what they may be, null aside."""


@dataclass(frozen=True)
class Stored:
    """How much a model has on disk.

    tensors, elements: numbers of them.
    """

    tensors: int
    elements: int

    @classmethod
    def of(cls, header: WeightsHeader) -> Stored:
        """What headers promise."""
        return cls(len(header.tensors), header.numel)


PROBLEM_TYPES = ("regression", "single_label_classification", "multi_label_classification")
"""Values of `problem_type`: by any other one transformers computes no loss, and says nothing."""

ANYTHING = Stored(TENSORS, PARAMETERS)
"""Of a model that is made from its configuration, and has no weights."""


def refuse_nonsense(fields: Mapping[str, Any], stored: Stored, ref: str) -> None:
    """Raises: WeightsError, for a configuration whose fields are not what they are called, or that
    asks for more than can be stored.
    """
    for name, kinds in _SHAPES.items():
        value = fields.get(name)
        if value is not None and (not isinstance(value, kinds) or isinstance(value, bool)):
            raise _unusable(ref, f'"{name}" is a {type(value).__name__}')
    kind = fields.get("problem_type")
    if kind is not None and kind not in PROBLEM_TYPES:
        hint = did_you_mean(kind, PROBLEM_TYPES) or f"there is {', '.join(PROBLEM_TYPES)}"
        raise _unusable(ref, f'"problem_type" is {kind!r}'[:200], hint)
    if not all(isinstance(each, str) for each in fields.get("architectures") or []):
        raise _unusable(ref, '"architectures" holds what is no name')
    if (named := fields.get(EXPLICIT)) is not None:
        raise _unusable(ref, f'"{EXPLICIT}" names the file of weights itself: {named!r}'[:200])
    labels = fields.get("id2label") or {}
    names = labels.values() if isinstance(labels, dict) else labels
    if not all(isinstance(name, str | int | float) for name in names):
        raise _unusable(ref, '"id2label" holds what is no name')
    if isinstance(labels, dict):
        _refuse_gaps(labels, ref)
    _refuse_two_numbers(fields, ref)
    most = min(max(FEW, stored.elements), LABELS)
    for name in ("id2label", "label2id", "num_labels"):
        said = fields.get(name) or 0
        count = said if isinstance(said, int) else len(said)
        if not 0 <= count <= most:
            raise _too_much(ref, name, count, f"{stored.elements:,} numbers are stored")
    _refuse_repeats(fields, max(FEW, 2 * stored.tensors), stored, ref)


def _refuse_gaps(labels: Mapping[str, Any], ref: str) -> None:
    """A model has as many outputs as names for them: one for each, from 0 on."""
    numbered = {str(place) for place in labels}
    lacking = next((i for i in range(len(labels)) if str(i) not in numbered), None)
    if lacking is not None and all(place.isdecimal() for place in numbered):
        raise _unusable(ref, f'"id2label" has {len(labels)} names, and none for output {lacking}')


def _refuse_two_numbers(fields: Mapping[str, Any], ref: str) -> None:
    """A label that is one output by `id2label` and another by `label2id` is either."""
    labels, numbers = fields.get("id2label") or {}, fields.get("label2id") or {}
    named = dict(labels.items() if isinstance(labels, dict) else enumerate(labels))
    places: dict[str, set[str]] = {}
    for place, name in named.items():
        places.setdefault(str(name), set()).add(str(place))
    for name, number in numbers.items():
        if name in places and str(number) not in places[name]:
            first = min(places[name])
            said = f'"{name}" is output {first} by "id2label", and {number} by "label2id"'
            raise _unusable(ref, said[:200])


def _refuse_repeats(fields: Mapping[str, Any], most: int, stored: Stored, ref: str) -> None:
    for name, value in _walk(fields):
        if isinstance(value, list) and len(value) > max(LIST_ITEMS, most):
            raise _too_much(ref, name, len(value), f"{stored.tensors:,} tensors are stored")
        if not REPEATED.search(name) or NO_COUNT.search(name):
            continue
        numbers = value if isinstance(value, list) else [value]
        counts = [n for n in numbers if isinstance(n, int) and not isinstance(n, bool)]
        if sum(n for n in counts if n > 0) > most:
            raise _too_much(ref, name, max(counts), f"{stored.tensors:,} tensors are stored")


def _walk(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every field, those of configurations within it as well; labels aside."""
    todo = [fields]
    while todo:
        for name, value in todo.pop().items():
            if name in ("id2label", "label2id"):
                continue
            yield name, value
            parts = value if isinstance(value, list) else [value]
            todo += [part for part in parts[:LIST_ITEMS] if isinstance(part, dict)]


def refuse_code(fields: Mapping[str, Any], name: str, ref: str, trust_remote_code: bool) -> None:
    """Raises: RemoteCodeError, where a file wants code to run that is none of transformers' and
    that was not allowed: by `auto_map`, or by an attention that names a repository.
    """
    if trust_remote_code:
        return
    for field, value in _walk(fields):
        if field == "auto_map" and value:
            raise _wants_code(ref, f"{name}: auto_map {value}")
        for choice in value.values() if isinstance(value, dict) else [value]:
            if field in ATTENTION and choice and not OWN_NAME.fullmatch(str(choice)):
                raise _wants_code(ref, f"{name}: {field} {choice!r}")


def _wants_code(ref: str, found: str) -> RemoteCodeError:
    return RemoteCodeError(
        f"{ref} wants to run code of its own",
        found=found,
        hint=f"read that code first; if you trust it: {option('trust_remote_code', True)}",
        field="trust_remote_code",
    )


def _unusable(ref: str, found: str, hint: str | None = None) -> HubmergeError:
    return WeightsError(f"{CONFIG} of {ref} cannot be used", found=found, hint=hint)


def _too_much(ref: str, field: str, count: int, stored: str) -> HubmergeError:
    shown = f"{count:,}" if abs(count) < 10**18 else "a huge number"
    return WeightsError(
        f"{CONFIG} of {ref} asks for more than its weights hold",
        found=f'"{field}": {shown}, and {stored}',
        hint="it does not belong to these weights",
    )
