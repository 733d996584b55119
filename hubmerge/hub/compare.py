"""Whether models can be merged at all: same function but for the weights, same labels."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol

from transformers import PreTrainedConfig

from hubmerge.errors import LabelError, MismatchError, RecipeError
from hubmerge.errors.wording import leave_out, option
from hubmerge.hub.layout import CONFIG, PROCESSOR
from hubmerge.hub.source import Source
from hubmerge.hub.tokenizer import TOKENIZER, check_same_tokens
from hubmerge.models.joint_head import MADE_UP, JointHead, heads_of
from hubmerge.recipe import SAME
from hubmerge.tasks import has_classes

FREE_FIELDS: dict[str, tuple[str, ...]] = {
    "names and provenance": (
        "_name_or_path",
        "name_or_path",
        "_commit_hash",
        "transformers_version",
        "architectures",  # compared on its own
        "tokenizer_class",
        "processor_class",
        "finetuning_task",
        "task_specific_params",
        "auto_map",
    ),
    "how it is stored or computed, not what": (
        "dtype",
        "torch_dtype",
        "use_cache",
        "_attn_implementation",
        "attn_implementation",
        "gradient_checkpointing",
        "chunk_size_feed_forward",
        "output_attentions",
        "output_hidden_states",
        "return_dict",
    ),
    "labels, which are brought together by name": ("id2label", "label2id", "num_labels"),
    "the loss only": ("problem_type", "label_smoothing"),
    "dropout: the identity once training is over": (
        "dropout",
        "dropout_rate",
        "hidden_dropout",
        "hidden_dropout_prob",
        "hidden_dropout_rate",
        "attention_dropout",
        "attention_probs_dropout_prob",
        "activation_dropout",
        "classifier_dropout",
        "classifier_dropout_prob",
        "classifier_dropout_rate",
        "drop_path_rate",
        "drop_rate",
        "embd_pdrop",
        "attn_pdrop",
        "resid_pdrop",
        "layerdrop",
    ),
    "initial values, which training has replaced": ("initializer_range", "initializer_factor"),
}
"""Configuration fields that do not change the function, by the reason why. Everything else must
be equal."""

FREE_PROCESSOR_FIELDS = frozenset(
    {"processor_class", "_processor_class", "auto_map", "feature_extractor_type"}
    | {"device", "return_tensors", "disable_grouping"}
)
"""Processor fields that name classes or machines and do not change a pixel."""

BACKENDS = re.compile(r"(Fast|Pil)$|FeatureExtractor$")
"""What the class names of one processor differ in from backend to backend and age to age."""

JOINED = f"{option('heads', 'join')} makes one head over the labels of all"
"""What to try with other label sets."""

_ABSENT = "(absent)"
_FREE = frozenset(field for fields in FREE_FIELDS.values() for field in fields)


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


def _check_pair(a: Mergeable, b: Mergeable, other_labels: bool) -> None:
    _same(a, b, CONFIG, "architectures", a.config.architectures, b.config.architectures)
    _same(a, b, CONFIG, "model_type", a.config.model_type, b.config.model_type)
    classes = [len(model.config.id2label or {}) for model in (a, b)]
    if has_classes(a.config) and classes[0] != classes[1] and not other_labels:
        raise LabelError(
            f"{a.source.ref} has {classes[0]} classes, {b.source.ref} has {classes[1]}",
            hint=f"models merge if they have the same classes; else {JOINED}",
        )
    _compare(a, b, CONFIG, *(dict(_flat(m.config.to_dict(), _FREE)) for m in (a, b)))
    present = [m.processor is not None for m in (a, b)]
    _same(a, b, PROCESSOR, "the file", *("present" if p else _ABSENT for p in present))
    if all(present):
        _compare(a, b, PROCESSOR, *(processor_fields(m.processor) for m in (a, b)))
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
    named: list[dict[int, str]] = [model.config.id2label or {} for model in models]  # type: ignore[misc]
    return heads_of(kind, [[labels[index] for index in sorted(labels)] for labels in named])


def processor_fields(processor: Any) -> dict[str, Any]:
    """Every setting of an image processor that can change a pixel, defaults filled in."""
    fields = dict(_flat(processor.to_dict(), FREE_PROCESSOR_FIELDS))
    kind = fields.pop("image_processor_type", type(processor).__name__)
    return {"image_processor_type": BACKENDS.sub("", kind).removesuffix("ImageProcessor"), **fields}


def label_permutation(
    a_id2label: Mapping[int, str],
    b_id2label: Mapping[int, str],
    by: Literal["names", "index"] = "names",
) -> list[int]:
    """Where B keeps A's classes: row i of the reordered B is its old row permutation[i].

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
        raise LabelError("the label names say nothing", found=repr(nothing), hint=by_index)
    if a == b:
        return list(range(len(a)))
    if set(a) != set(b):
        shared = len(set(a) & set(b))
        raise LabelError(
            f"the models' labels differ: {shared} of {len(a)} names are shared",
            found=f"only in A: {_few(set(a) - set(b))}\nonly in B: {_few(set(b) - set(a))}",
            hint=f"{JOINED}; {by_index}",
        )
    if len(set(a)) < len(a):
        twice = sorted({name for name in a if a.count(name) > 1})
        raise LabelError(
            "label names are used twice, in different places", found=_few(twice), hint=by_index
        )
    place = {name: index for index, name in enumerate(b)}
    return [place[name] for name in a]


def _compare(
    a: Mergeable, b: Mergeable, file: str, left: dict[str, Any], right: dict[str, Any]
) -> None:
    for field in [*left, *(field for field in right if field not in left)]:
        _same(a, b, file, field, left.get(field, _ABSENT), right.get(field, _ABSENT))


def _same(a: Mergeable, b: Mergeable, file: str, field: str, left: Any, right: Any) -> None:
    if left != right:
        raise MismatchError(
            f"the models differ in {field}",
            found=f"{left!r} in {a.source.ref}\n{right!r} in {b.source.ref}",
            source=file,
            hint="only models of one architecture, configuration and preprocessing merge",
        )


def _flat(fields: Mapping[str, Any], free: frozenset[str], at: str = "") -> Iterator[Any]:
    """(dotted name, value) of every field that is not free; sequences as lists."""
    for name, value in fields.items():
        if name in free:
            continue
        if isinstance(value, Mapping) and value:
            yield from _flat({str(k): v for k, v in value.items()}, free, f"{at}{name}.")
        else:
            yield at + name, list(value) if isinstance(value, tuple) else value


def _few(names: set[str] | list[str]) -> str:
    shown = sorted(names)[:5]
    return ", ".join(map(repr, shown)) + (" ..." if len(names) > len(shown) else "")
