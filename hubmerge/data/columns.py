"""Which column of a data set is the input, which the label: by type, then by the usual names.

Every rule can be overruled by naming the column. Errors list the columns with their types.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from hubmerge.data.column_types import (
    CLASSES,
    UNLABELLED,
    ColumnKind,
    inner,
    is_image,
    is_sound,
    is_text,
    is_vector,
    typed,
)
from hubmerge.errors import DataError
from hubmerge.errors.wording import action, option, quoted

if TYPE_CHECKING:
    from datasets import Dataset, Features

IMAGE, FEATURE, TEXT, PAIR, WORDS = "image", "feature", "text", "pair", "words"
SOURCE, AUDIO, NEGATIVE = "source", "audio", "negative"
"""Kinds of columns that hold inputs; a pair is a second text, where there is one; words are a list
of them; a source is a text of which another is to be made; a negative is a third text."""

SOUNDS = ("audio", "speech", "sound")
"""Names of a column of sounds, most usual first."""

SOURCES = ("source", "article", "dialogue", "input", "input_text", "inputs", "src", "question")
"""Names of a column of sources, before those of texts."""

WORD_LISTS = ("tokens", "words", "text", "sentence")
"""Names of a column of lists of words, most usual first."""

TEXTS = (
    "text",
    "content",
    "document",
    "story",
    "sentence",
    "comment_text",
    "comment",
    "review",
    "review_body",
    "tweet",
    "Tweet",
)
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
        if not is_vector(features[vector]):
            raise _wrong_type(vector, features, "lists of floats", ref)
    if image is None and vector is None:
        images = [name for name, kind in features.items() if is_image(kind)]
        vectors = [name for name, kind in features.items() if is_vector(kind)]
        for kind, found in (("image", images), ("feature", vectors)):
            if len(found) > 1:
                raise DataError(
                    f"{ref} has several {kind} columns",
                    found=typed(features, found),
                    hint=f"choose one by {option(f'dataset.{kind}_column')}",
                    field=f"dataset.{kind}_column",
                )
        image, vector = next(iter(images), None), next(iter(vectors), None)
    if image is None and vector is None:
        raise DataError(
            f"{ref} has neither an image column nor a column of float lists",
            found=typed(features),
            hint="these models are measured on images, or on lists of numbers",
        )
    return image, vector


def find_label(features: Features, asked: str | None, ref: str, kind: ColumnKind = CLASSES) -> str:
    """The column of targets: the one asked for; else the one of a preferred type;
    else the first usual name that fits.
    """
    fitting = [name for name, held in features.items() if kind.fits(held)]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, kind.holds, ref)
        return asked
    preferred = [name for name in fitting if kind.preferred(features[name])]
    if len(preferred) == 1:
        return preferred[0]
    usual = first(kind.names, preferred or fitting)
    if usual is None:
        raise DataError(
            f"{ref} has no column that is clearly the label: {kind.holds}",
            found=typed(features),
            hint=WITHOUT_LABELS,
            field="dataset.label_column",
        )
    return usual


def find_text(features: Features, asked: str | None, ref: str) -> str:
    """The column asked for; else the first usual name that holds text; else the only text."""
    fitting = [name for name, kind in features.items() if is_text(kind)]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, "text", ref)
        return asked
    found = first(TEXTS, fitting) or (fitting[0] if len(fitting) == 1 else None)
    if found is None:
        raise DataError(
            f"{ref} has no column that is clearly the text",
            found=typed(features),
            hint=f"name it by {option('dataset.text_column')}: these models are measured on texts",
            field="dataset.text_column",
        )
    return found


def find_texts(
    features: Features, text: str | None, pair: str | None, label: str | None, ref: str
) -> tuple[str, str | None]:
    """(text column, column of second texts or None): those asked for, else a usual pair of names,
    else one text as `find_text` finds it.

    label: the column of targets, which is no input.
    """
    inputs = _without(features, label)
    fitting = [name for name, kind in inputs.items() if is_text(kind)]
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


def find_sound(features: Features, asked: str | None, ref: str) -> str:
    """The column asked for; else the one of sounds, or the first usual name of several."""
    fitting = [name for name, kind in features.items() if is_sound(kind)]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, "sounds", ref)
        return asked
    found = fitting[0] if len(fitting) == 1 else first(SOUNDS, fitting)
    if found is None:
        raise DataError(
            f"{ref} has no column that is clearly the sounds",
            found=typed(features),
            hint=f"name it by {option('dataset.audio_column')}",
            field="dataset.audio_column",
        )
    return found


def find_source(features: Features, asked: str | None, label: str | None, ref: str) -> str:
    """The column asked for; else the first usual name of a source that holds text; else as
    `find_text`, but for `label`, the column of targets.
    """
    inputs = _without(features, label)
    if asked is None:
        asked = first(SOURCES, [name for name, kind in inputs.items() if is_text(kind)])
    return find_text(inputs, asked, ref)


def find_words(features: Features, asked: str | None, label: str | None, ref: str) -> str:
    """The column asked for; else the first usual name that holds lists of words.

    label: the column of targets, which is no input.
    """
    fitting = [name for name, kind in features.items() if is_text(inner(kind)) and name != label]
    if asked is not None:
        _known_column(asked, features, ref)
        if asked not in fitting:
            raise _wrong_type(asked, features, "lists of words", ref)
        return asked
    found = first(WORD_LISTS, fitting) or (fitting[0] if len(fitting) == 1 else None)
    if found is None:
        raise DataError(
            f"{ref} has no column that is clearly the words",
            found=typed(features),
            hint=f"name a column of lists of words by {option('dataset.text_column')}",
            field="dataset.text_column",
        )
    return found


def with_parts(rows: Dataset) -> Dataset:
    """The same rows, structs of texts (as translations are stored) as a column for each text:
    "translation.en".
    """
    from datasets import Translation

    def is_parted(kind: Any) -> bool:
        held = kind.values() if isinstance(kind, Mapping) else ()
        return isinstance(kind, Translation) or (bool(held) and all(map(is_text, held)))

    return rows.flatten() if any(map(is_parted, rows.features.values())) else rows


def _without(features: Features, column: str | None) -> Features:
    from datasets import Features

    return Features({name: kind for name, kind in features.items() if name != column})


def is_labelled(rows: Dataset, column: str, kind: ColumnKind = CLASSES) -> bool:
    """Whether any row has a label."""
    if column not in rows.features:
        return False
    kind_here = rows.features[column]
    if inner(kind_here) is not None or isinstance(kind_here, Mapping):
        held = rows.select_columns([column]).with_format("arrow")[:][column]
        return bool(held.null_count < len(rows))
    values = {*rows.unique(column)} - {None}
    if kind.secret is None:  # anything may be right, but not the same everywhere, as a stand-in is
        return bool(values - {UNLABELLED})
    return bool(values - {kind.secret})


def _known_column(name: str, features: Features, ref: str) -> None:
    if name not in features:
        raise DataError(f"{ref} has no column {quoted(name)}", found=typed(features))


def require_columns(
    features: Features, columns: tuple[str | None, ...], split: str, ref: str
) -> None:
    """Raises: DataError, if `split` lacks one of `columns`."""
    for column in columns:
        if column is not None and column not in features:
            raise DataError(
                f'split "{split}" of {ref} has no column {quoted(column)}', found=typed(features)
            )


def _wrong_type(column: str, features: Features, wanted: str, ref: str) -> DataError:
    return DataError(f'column "{column}" of {ref} does not hold {wanted}', found=typed(features))


def first(wanted: Iterable[str], present: Iterable[str]) -> str | None:
    """The first of the names `wanted` that is among those `present`."""
    here = set(present)
    return next((name for name in wanted if name in here), None)


def listed(names: Iterable[str]) -> str:
    """Names in quotes, sorted."""
    return ", ".join(f'"{name}"' for name in sorted(names)) or "none"
