"""What a column holds, by its type in `datasets`; and kinds of columns that hold targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Features

UNLABELLED = -1
"""What data sets whose test labels are kept secret hold in their place."""


def is_image(kind: Any) -> bool:
    """Whether a column of this type holds pictures."""
    from datasets import Image, Value

    if isinstance(kind, Mapping):
        return "bytes" in kind and {*kind} <= {"bytes", "path"} and is_image(kind["bytes"])
    return isinstance(kind, Image) or (
        isinstance(kind, Value) and kind.dtype in ("binary", "large_binary")
    )


def is_sound(kind: Any) -> bool:
    """Whether it holds sounds: as `Audio`, or as samples beside their rate."""
    from datasets import Audio

    if isinstance(kind, Mapping):
        return {"array", "sampling_rate"} <= {*kind}
    return isinstance(kind, Audio)


def is_text(kind: Any) -> bool:
    """Whether it holds texts."""
    from datasets import Value

    return isinstance(kind, Value) and kind.dtype in ("string", "large_string")


def is_class(kind: Any) -> bool:
    """Whether it holds a class label: a `ClassLabel`, a whole number or a text."""
    return has_names(kind) or is_whole(kind) or is_text(kind)


def has_names(kind: Any) -> bool:
    """Whether it is a `ClassLabel`."""
    from datasets import ClassLabel

    return isinstance(kind, ClassLabel)


def is_whole(kind: Any) -> bool:
    """Whether it holds whole numbers."""
    from datasets import Value

    return isinstance(kind, Value) and kind.dtype.removeprefix("u").startswith("int")


def is_fraction(kind: Any) -> bool:
    """Whether it holds numbers with a fraction."""
    from datasets import Value

    return isinstance(kind, Value) and kind.dtype.startswith(("float", "decimal"))


def is_truth(kind: Any) -> bool:
    """Whether it holds true or false."""
    from datasets import Value

    return isinstance(kind, Value) and kind.dtype == "bool"


def inner(kind: Any) -> Any | None:
    """The type of what lists hold; None of what are no lists."""
    from datasets import LargeList, List

    return kind.feature if isinstance(kind, List | LargeList) else None


def is_vector(kind: Any) -> bool:
    """Whether it holds lists of numbers with a fraction."""
    return is_fraction(inner(kind))


def _is_label_set(kind: Any) -> bool:
    held = inner(kind)
    return is_class(held) or is_fraction(held) or is_truth(held)


def _is_number(kind: Any) -> bool:
    held = inner(kind)
    return any(is_whole(each) or is_fraction(each) for each in (kind, held))


def _is_answers(kind: Any) -> bool:
    """Whether it holds a struct of texts and their places, or a list of such structs."""
    return any(
        isinstance(each, Mapping) and {"text", "answer_start"} <= {*each}
        for each in (kind, inner(kind))
    )


@dataclass(frozen=True, kw_only=True)
class ColumnKind:
    """Columns that hold targets.

    Parameters:
        holds: what they hold, in words.
        names: what they are usually called, the most usual first.
        fits: whether a type can be that of one.
        preferred: types that go before others; the only column of such a type is taken whatever it
            is called.
        secret: what stands where targets are kept secret; None where any value may be one.
    """

    holds: str
    names: tuple[str, ...]
    fits: Callable[[Any], bool]
    preferred: Callable[[Any], bool] = lambda kind: False
    secret: int | None = UNLABELLED


CLASSES = ColumnKind(
    holds="class labels, whole numbers or text",
    names=("label", "labels", "fine_label", "class", "target"),
    fits=is_class,
    preferred=has_names,
)
"""One class of several."""

LABEL_SETS = ColumnKind(
    holds="lists of labels, or of a 0 or 1 for every label",
    names=("labels", "label", "tags", "classes", "categories", "genres", "topics", "emotions"),
    fits=_is_label_set,
    preferred=lambda kind: has_names(inner(kind)),
    secret=None,
)
"""Any number of labels at once."""

TAGS = ColumnKind(
    holds="lists of tags, one for each word",
    names=("ner_tags", "tags", "labels", "ner", "pos_tags", "pos", "upos", "chunk_tags"),
    fits=lambda kind: is_class(inner(kind)),
    secret=None,
)
"""A class for each word; lists of text are the words themselves where no usual name says so."""

TARGETS = ColumnKind(
    holds="texts to be made of others",
    names=(
        "target",
        "summary",
        "highlights",
        "target_text",
        "targets",
        "output",
        "tgt",
        "answer",
        "label",
        "labels",
    ),
    fits=is_text,
    secret=None,
)
"""What is to be said of a source: its translation or summary."""

TRANSCRIPTS = ColumnKind(
    holds="texts that are said",
    names=("text", "sentence", "transcription", "transcript", "normalized_text", "labels"),
    fits=is_text,
    secret=None,
)
"""What is said in a recording."""

SPANS = ColumnKind(
    holds="answers: their texts, and where each starts",
    names=("answers", "answer"),
    fits=_is_answers,
    secret=None,
)
"""Answers that stand in a text, as SQuAD has them on the Hub, or as its own files have them."""

NUMBERS = ColumnKind(
    holds="numbers, or lists of numbers",
    names=("label", "labels", "score", "similarity_score", "similarity", "rating", "target"),
    fits=_is_number,
    secret=None,
)
"""One number, or a list of as many as the model has outputs."""


def typed(features: Features, names: Any = None) -> str:
    """Columns with their types, one a line."""
    chosen = list(features if names is None else names)
    return "\n".join(f"{name}: {_type(features[name])}" for name in chosen) or "no columns"


def _type(kind: Any) -> str:
    from datasets import ClassLabel, Value

    if isinstance(kind, ClassLabel):
        return f"ClassLabel of {kind.num_classes}"
    if isinstance(kind, Value):
        return str(kind.dtype)
    if (held := inner(kind)) is not None:
        return f"list of {_type(held)}"
    if isinstance(kind, Mapping):
        return f"struct of {', '.join(kind)}"
    return type(kind).__name__
