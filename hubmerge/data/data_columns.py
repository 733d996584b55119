"""The columns of a data set by what they are for: as asked for, or as found."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hubmerge.data.column_types import CLASSES, LABEL_SETS, ColumnKind
from hubmerge.data.columns import (
    AUDIO,
    FEATURE,
    IMAGE,
    NEGATIVE,
    PAIR,
    SOURCE,
    TEXT,
    WORDS,
    find_inputs,
    find_label,
    find_sound,
    find_source,
    find_text,
    find_texts,
    find_words,
    is_labelled,
)
from hubmerge.data.empty_rows import EmptyRows, Wanted, empty_rows, unlabelled
from hubmerge.data.label_columns import columns_of_labels, named
from hubmerge.data.text_tuples import find_belonging
from hubmerge.errors import DataError

if TYPE_CHECKING:
    from datasets import Dataset, Features


@dataclass(frozen=True, kw_only=True)
class DataColumns:
    """Columns by what they are for: as asked for, or as found."""

    image: str | None = None
    feature: str | None = None
    label: str | None = None
    text: str | None = None
    pair: str | None = None
    """Second texts, each read together with the one in `text`."""
    negative: str | None = None
    """Third texts, which do not belong to the one in `text`, as the second does."""
    audio: str | None = None
    inputs: Collection[str] = (IMAGE, FEATURE)
    """Kinds of columns that models take, of which one is enough."""
    answers: ColumnKind | None = CLASSES
    """Columns of targets; None: inputs are their own targets."""
    labelled: bool = True
    """Whether rows without labels are refused."""
    labels: tuple[str, ...] = ()
    """Names of the model's labels, by output."""

    def of_labels(self, features: Features) -> tuple[str, ...]:
        """The columns of zeros and ones, one for every label in their order; () if labels are not
        stored so, or a column of all labels was asked for.
        """
        if self.answers is not LABEL_SETS or self.label is not None or not self.labels:
            return ()
        found = columns_of_labels(features, self.labels)
        return tuple(found.values()) if len(found) == len(self.labels) else ()

    def found_in(self, features: Features, ref: str) -> DataColumns:
        """The columns there are. Raises: DataError."""
        if (belonging := self._belonging(features, ref)) is not None:
            return belonging.found_in(features, ref)
        label = self._label_in(features, ref)
        images = vectors = text = pair = audio = None
        if AUDIO in self.inputs:
            audio = find_sound(features, self.audio, ref)
        elif PAIR in self.inputs:
            text, pair = find_texts(features, self.text, self.pair, label, ref)
        elif SOURCE in self.inputs:
            text = find_source(features, self.text, label, ref)
        elif WORDS in self.inputs:
            text = find_words(features, self.text, label, ref)
        elif TEXT in self.inputs:
            text = find_text(features, self.text, ref)
        else:
            images, vectors = find_inputs(features, self.image, self.feature, ref)
        return replace(
            self,
            image=images,
            feature=vectors,
            label=label,
            text=text,
            pair=pair,
            audio=audio,
        )

    @property
    def named(self) -> tuple[str | None, ...]:
        """All columns that models read."""
        return self.image, self.feature, self.text, self.pair, self.negative, self.audio

    def answers_in(self, rows: Dataset, ref: str) -> bool:
        """Whether a split has targets, whatever its inputs are called."""
        if self.answers is None:
            return True
        if (belonging := self._belonging(rows.features, ref)) is not None:
            return belonging.answers_in(rows, ref)
        label = self._label_in(rows.features, ref)
        return label is not None and is_labelled(rows, label, self.answers)

    def answered(self, rows: Dataset) -> bool:
        """Whether rows have targets: their inputs themselves, or labels."""
        if self.answers is None:
            return True
        return self.label is not None and is_labelled(rows, self.label, self.answers)

    @property
    def read(self) -> tuple[str, str | None]:
        """What models read of a row, and its column."""
        if self.feature is not None and FEATURE in self.inputs:
            return "numbers", self.feature
        if self.audio is not None:
            return "sound", self.audio
        return ("text", self.text) if self.text is not None else ("image", self.image)

    @property
    def words(self) -> str:
        """What a row that says nothing lacks."""
        return " or ".join([self.read[0], *(["label"] if self.label is not None else [])])

    def empty_rows(self, rows: Dataset, split: str, ref: str, *, labels: bool) -> EmptyRows:
        """The rows that say nothing. labels: whether they are needed. Raises: DataError."""
        column = self.read[1] if self.read[1] in rows.features else None
        label = self.label if self.label in rows.features else None
        secret = None if self.answers is None else self.answers.secret
        besides = [name for name in (self.pair, self.negative) if name in rows.features]
        wanted = Wanted(
            column=column,
            besides=tuple(name for name in besides if name is not None),
            label=label if labels else None,
            secret=secret,
            what=self.words,
        )
        found = empty_rows(rows, wanted, split, ref)
        if labels or label is None:
            return found
        also = {*found.empty, *unlabelled(rows, label, secret).empty}
        return EmptyRows(tuple(sorted(also)), found.blank)

    def _belonging(self, features: Features, ref: str) -> DataColumns | None:
        """These columns, where texts say by their names which belong together, or a score beside
        them how alike they are; None where they do not, or were found so before.
        """
        if NEGATIVE not in self.inputs or self.answers is None or self.label is not None:
            return None
        found = find_belonging(features, self.text, self.pair, self.negative, ref)
        if found is None:
            return None
        text, pair, negative = found
        score = self._score_in(features, ref) if negative is None else None
        if score is not None:
            return replace(self, text=text, pair=pair, label=score)
        return replace(self, text=text, pair=pair, negative=negative, answers=None)

    def _score_in(self, features: Features, ref: str) -> str | None:
        assert self.answers is not None
        try:
            return find_label(features, None, ref, self.answers)
        except DataError:
            return None

    def _label_in(self, features: Features, ref: str) -> str | None:
        """The label column; None where none is needed and none was named."""
        if self.answers is None:
            return None
        try:
            return find_label(features, self.label, ref, self.answers)
        except DataError as error:
            if self.labelled or self.label is not None:
                raise self._some_labels(features, ref) or error from error
            return None

    def _some_labels(self, features: Features, ref: str) -> DataError | None:
        """What to say where only some of the model's labels have a column each."""
        if self.answers is not LABEL_SETS or self.label is not None:
            return None
        found = columns_of_labels(features, self.labels)
        missing = [label for label in self.labels if label not in found]
        if not found or not missing:
            return None
        return DataError(
            f"{ref} has a column of zeros and ones for {len(found)} of the {len(self.labels)} "
            "labels of the model only",
            found=f"columns {named(tuple(found.values()))}; none is called {named(missing)}",
            hint="add a column for each label, or name a column of label lists",
            field="dataset.label_column",
        )
