"""Which column of a data set is the input, which the label: by type, then by the usual names.

Every rule can be overruled by naming the column. Errors list the columns with their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hubmerge.errors import DataError
from hubmerge.errors.wording import action, option, quoted

if TYPE_CHECKING:
    from datasets import Dataset, Features

IMAGE, FEATURE, TEXT, PAIR = "image", "feature", "text", "pair"
"""Kinds of columns that hold inputs; a pair is a second text, where there is one."""

LABELS = ("label", "labels", "fine_label", "class", "target")
"""Names of a label column, most usual first; where several fit, the first one is taken."""

TEXTS = ("text", "content", "document", "story", "sentence")
"""Names of a text column, most usual first."""

PAIRS = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "passage"),
    ("question", "context"),
    ("query", "passage"),
    ("text1", "text2"),
    ("sentence_A", "sentence_B"),
    ("text_a", "text_b"),
)
"""Names of two text columns that are read together, most usual first."""

WITHOUT_LABELS = (
    f"name the label column by {option('dataset.label_column')}; without labels, "
    + action("use alignment")
)
"""What to try where labels are needed and there are none."""

UNLABELLED = -1
"""What data sets whose test labels are kept secret hold in their place."""


def find_inputs(
    features: Features, image: str | None, vector: str | None, ref: str
) -> tuple[str | None, str | None]:
    """(image column, feature column): those asked for, else the one of each type there is.

    An image column is a `datasets.Image`, or holds the bytes of pictures: by themselves, or in a
    struct as the `Image` feature is stored. A feature column is a list of floats.
    """
    if image is not None:
        _known_column(image, features, ref)
        if not is_image(features[image]):
            raise _wrong_type(image, features, "images", ref)
    if vector is not None:
        _known_column(vector, features, ref)
        if not _is_vector(features[vector]):
            raise _wrong_type(vector, features, "lists of floats", ref)
    if image is None and vector is None:
        images = [name for name, kind in features.items() if is_image(kind)]
        vectors = [name for name, kind in features.items() if _is_vector(kind)]
        for kind, found in (("image", images), ("feature", vectors)):
            if len(found) > 1:
                raise DataError(
                    f"{ref} has several {kind} columns",
                    found=_typed(features, found),
                    hint=f"choose one by {option(f'dataset.{kind}_column')}",
                    field=f"dataset.{kind}_column",
                )
        image, vector = next(iter(images), None), next(iter(vectors), None)
    if image is None and vector is None:
        raise DataError(
            f"{ref} has neither an image column nor a column of float lists",
            found=_typed(features),
            hint="these models are measured on images, or on lists of numbers",
        )
    return image, vector


def find_label(features: Features, asked: str | None, ref: str) -> str:
    """The column asked for; else the one `ClassLabel`; else the first usual name that fits."""
    from datasets import ClassLabel

    fitting = [name for name, kind in features.items() if _is_label(kind)]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, "class labels, whole numbers or text", ref)
        return asked
    named = [name for name in fitting if isinstance(features[name], ClassLabel)]
    if len(named) == 1:
        return named[0]
    usual = first(LABELS, named or fitting)
    if usual is None:
        raise DataError(
            f"{ref} has no column that is clearly the label",
            found=_typed(features),
            hint=WITHOUT_LABELS,
            field="dataset.label_column",
        )
    return usual


def find_text(features: Features, asked: str | None, ref: str) -> str:
    """The column asked for; else the first usual name that holds text; else the only text."""
    fitting = [name for name, kind in features.items() if _is_text(kind)]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, "text", ref)
        return asked
    found = first(TEXTS, fitting) or (fitting[0] if len(fitting) == 1 else None)
    if found is None:
        raise DataError(
            f"{ref} has no column that is clearly the text",
            found=_typed(features),
            hint=f"name it by {option('dataset.text_column')}: these models are measured on texts",
            field="dataset.text_column",
        )
    return found


def find_texts(
    features: Features, text: str | None, pair: str | None, label: str | None, ref: str
) -> tuple[str, str | None]:
    """(text column, column of second texts or None): those asked for, else a usual pair of names,
    else one text as `find_text` finds it.

    label: the column that says what is right, which is no input.
    """
    inputs = _without(features, label)
    fitting = [name for name, kind in inputs.items() if _is_text(kind)]
    if pair is not None:
        _known_column(pair, features, ref)
        if pair not in fitting:
            raise _wrong_type(pair, features, "text", ref)
        if text is None:
            text = next((a for a, b in PAIRS if b == pair and a in fitting), None)
        return text or find_text(_without(inputs, pair), None, ref), pair
    if text is not None:
        return find_text(inputs, text, ref), None
    found = next((both for both in PAIRS if {*both} <= {*fitting}), None)
    return found or (find_text(inputs, None, ref), None)


def _without(features: Features, column: str | None) -> Features:
    from datasets import Features

    return Features({name: kind for name, kind in features.items() if name != column})


def is_image(kind: Any) -> bool:
    """Whether a column of this type holds pictures."""
    from datasets import Image, Value

    if isinstance(kind, Mapping):
        return "bytes" in kind and {*kind} <= {"bytes", "path"} and is_image(kind["bytes"])
    return isinstance(kind, Image) or (
        isinstance(kind, Value) and kind.dtype in ("binary", "large_binary")
    )


def _is_text(kind: Any) -> bool:
    from datasets import Value

    return isinstance(kind, Value) and kind.dtype in ("string", "large_string")


def _is_vector(kind: Any) -> bool:
    from datasets import LargeList, List, Value

    return (
        isinstance(kind, List | LargeList)
        and isinstance(kind.feature, Value)
        and kind.feature.dtype.startswith("float")
    )


def _is_label(kind: Any) -> bool:
    from datasets import ClassLabel, Value

    return isinstance(kind, ClassLabel) or (
        isinstance(kind, Value)
        and kind.dtype.removeprefix("u").startswith(("int", "string", "large_string"))
    )


def is_labelled(rows: Dataset, column: str) -> bool:
    """Whether any row has a label."""
    return column in rows.features and bool(set(rows.unique(column)) - {UNLABELLED, None})


def _known_column(name: str, features: Features, ref: str) -> None:
    if name not in features:
        raise DataError(f"{ref} has no column {quoted(name)}", found=_typed(features))


def require_columns(
    features: Features, columns: tuple[str | None, ...], split: str, ref: str
) -> None:
    """Raises: DataError, if `split` lacks one of `columns`."""
    for column in columns:
        if column is not None and column not in features:
            raise DataError(
                f'split "{split}" of {ref} has no column {quoted(column)}', found=_typed(features)
            )


def _wrong_type(column: str, features: Features, wanted: str, ref: str) -> DataError:
    return DataError(f'column "{column}" of {ref} does not hold {wanted}', found=_typed(features))


def _typed(features: Features, names: Iterable[str] | None = None) -> str:
    """Columns with their types, one a line."""
    chosen = list(features if names is None else names)
    return "\n".join(f"{name}: {_type(features[name])}" for name in chosen) or "no columns"


def _type(kind: Any) -> str:
    from datasets import ClassLabel, LargeList, List, Value

    if isinstance(kind, ClassLabel):
        return f"ClassLabel of {kind.num_classes}"
    if isinstance(kind, Value):
        return str(kind.dtype)
    if isinstance(kind, List | LargeList):
        return f"list of {_type(kind.feature)}"
    if isinstance(kind, Mapping):
        return f"struct of {', '.join(kind)}"
    return type(kind).__name__


def first(wanted: Iterable[str], present: Iterable[str]) -> str | None:
    """The first of the names `wanted` that is among those `present`."""
    here = set(present)
    return next((name for name in wanted if name in here), None)


def listed(names: Iterable[str]) -> str:
    """Names in quotes, sorted."""
    return ", ".join(f'"{name}"' for name in sorted(names)) or "none"
