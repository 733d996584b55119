"""Whether models can be merged at all: same function but for the weights, same labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from transformers import PreTrainedConfig

from hubmerge.errors import LabelError, MismatchError, RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.hub.config_fields import PADDING, Fields, config_fields, processor_fields
from hubmerge.hub.layout import CONFIG, PROCESSOR
from hubmerge.hub.sentence_modules import check_modules
from hubmerge.hub.source import Source
from hubmerge.hub.tokenizer import OTHER_VOCABULARIES, TOKENIZER, check_same_tokens
from hubmerge.models.joint_head import MADE_UP, JointHead, heads_of, normalised
from hubmerge.recipe import SAME
from hubmerge.tasks import has_classes, why_not_one_of_n

JOINED = f"{option('heads', 'join')} makes one head over the labels of all"
"""What to try with other label sets."""

_ABSENT = "(absent)"


class Mergeable(Protocol):
    """A `Description` or a `LoadedModel`."""

    @property
    def source(self) -> Source: ...
    @property
    def config(self) -> PreTrainedConfig: ...
    @property
    def processor(self) -> Any | None: ...
    @property
    def tokenizer(self) -> Any | None: ...


def check_mergeable(a: Mergeable, *others: Mergeable, other_labels: bool = False) -> None:
    """Raises: MismatchError, by the name of the first field in which a function differs from A's;
    LabelError, if the numbers of classes do, unless `other_labels` are wanted. Label names are
    `label_permutation`'s to compare.
    """
    for other in others:
        _check_pair(a, other, other_labels)
    check_modules([a, *others])


def _check_pair(a: Mergeable, b: Mergeable, other_labels: bool) -> None:
    _same(a, b, CONFIG, "architectures", a.config.architectures, b.config.architectures)
    _same(a, b, CONFIG, "model_type", a.config.model_type, b.config.model_type)
    classes = [len(model.config.id2label or {}) for model in (a, b)]
    if has_classes(a.config) and classes[0] != classes[1] and not other_labels:
        raise LabelError(
            f"{a.source.ref} has {classes[0]} classes, {b.source.ref} has {classes[1]}",
            hint=f"models merge if they have the same classes; else {JOINED}",
        )
    _compare(a, b, CONFIG, *_but_a_padding_of_one(config_fields(m.config) for m in (a, b)))
    present = [m.processor is not None for m in (a, b)]
    _same(a, b, PROCESSOR, "the file", *("present" if p else _ABSENT for p in present))
    if all(present):
        _compare(a, b, PROCESSOR, *(processor_fields(m.processor).compared for m in (a, b)))
    present = [m.tokenizer is not None for m in (a, b)]
    _same(a, b, TOKENIZER, "the file", *("present" if p else _ABSENT for p in present))
    if all(present):
        check_same_tokens(a.tokenizer, b.tokenizer, a.source.ref, b.source.ref)


def common_head(kind: str, models: Sequence[Mergeable]) -> JointHead | None:
    """The joint head for models with different label sets; None where they are the same.

    Raises: RecipeError, if they have no classes; LabelError, if names do not say which are one.
    """
    config = models[0].config
    if kind != SAME and not has_classes(config):
        raise RecipeError(
            f"{option('heads', kind)} is for classifiers",
            found=f"{(config.architectures or [''])[0]}, whose outputs are no labelled classes",
            hint=leave_out("heads"),
            field="heads",
        )
    for model in models if kind != SAME else ():
        if (why := why_not_one_of_n(model.config)) is not None:
            raise RecipeError(
                f"{option('heads', kind)} is for labels of which one is right",
                found=f"{model.source.ref}: {why}",
                hint=leave_out("heads"),
                field="heads",
            )
    named: list[dict[int, str]] = [model.config.id2label or {} for model in models]  # type: ignore[misc]
    return heads_of(kind, [[labels[index] for index in sorted(labels)] for labels in named])


def label_permutation(
    a_id2label: Mapping[int, str],
    b_id2label: Mapping[int, str],
    by: Literal["names", "index"] = "names",
) -> list[int]:
    """Where B keeps A's classes: row i of the reordered B is its old row permutation[i].

    Names are the same whatever case, spaces and underscores they are written with.

    Raises: LabelError, if the numbers of classes differ, or by names: if the names say nothing,
    are not the same on both sides, or are ambiguous.
    """
    if by not in ("names", "index"):
        raise RecipeError(
            f"labels {by!r} is unknown", hint='"names" or "index"', field="align_labels"
        )
    a, b = ([labels[i] for i in sorted(labels)] for labels in (a_id2label, b_id2label))
    if len(a) != len(b):
        raise LabelError(f"A has {len(a)} classes, B has {len(b)}")
    if by == "index":
        return list(range(len(a)))
    by_index = f"if both models number the same classes alike: {option('align_labels', 'index')}"
    if nothing := next((name for name in [*a, *b] if MADE_UP.fullmatch(name)), None):
        whose = "parent A" if nothing in a else "parent B"
        raise LabelError(
            "the label names say nothing", found=f"{nothing!r} in {whose}", hint=by_index
        )
    ours, theirs = ([normalised(name) for name in names] for names in (a, b))
    if ours == theirs:
        return list(range(len(a)))
    for whose, names, plains in (("parent A", a, ours), ("parent B", b, theirs)):
        if len(set(plains)) < len(plains):
            twice = [
                name for name, plain in zip(names, plains, strict=True) if plains.count(plain) > 1
            ]
            raise LabelError(
                "label names are used twice, in different places",
                found=f"{_few(twice)} in {whose}",
                hint=by_index,
            )
    if set(ours) != set(theirs):
        shared = len(set(ours) & set(theirs))
        only_a = [name for name, plain in zip(a, ours, strict=True) if plain not in theirs]
        only_b = [name for name, plain in zip(b, theirs, strict=True) if plain not in ours]
        raise LabelError(
            f"the models' labels differ: {shared} of {len(a)} names are shared",
            found=f"only in A: {_few(only_a)}\nonly in B: {_few(only_b)}",
            hint=f"{JOINED}; {by_index}",
        )
    place = {name: index for index, name in enumerate(theirs)}
    return [place[name] for name in ours]


def _but_a_padding_of_one(both: Iterable[Fields]) -> list[dict[str, Any]]:
    """The fields that are compared; of padding tokens, only those that both models have."""
    compared = [fields.compared for fields in both]
    names = {name for fields in compared for name in fields if name.split(".")[-1] == PADDING}
    alone = {name for name in names if not all(name in fields for fields in compared)}
    return [{n: v for n, v in fields.items() if n not in alone} for fields in compared]


def _compare(
    a: Mergeable, b: Mergeable, file: str, left: dict[str, Any], right: dict[str, Any]
) -> None:
    for field in [*left, *(field for field in right if field not in left)]:
        _same(a, b, file, field, left.get(field, _ABSENT), right.get(field, _ABSENT))


def _same(a: Mergeable, b: Mergeable, file: str, field: str, left: Any, right: Any) -> None:
    if left != right:
        raise MismatchError(
            f"the models differ in {field}",
            found=f"{_said(left)} in {a.source.ref}\n{_said(right)} in {b.source.ref}",
            source=file,
            hint=OTHER_VOCABULARIES
            if field.split(".")[-1] == "vocab_size"
            else "only models of one architecture, configuration and preprocessing merge",
        )


def _said(value: Any) -> str:
    """A field's value; of a list, what is in it."""
    return ", ".join(map(repr, value)) if isinstance(value, list) and value else repr(value)


def _few(names: Iterable[str]) -> str:
    every = sorted({*names})
    return ", ".join(map(repr, every[:5])) + (" ..." if len(every) > 5 else "")
