"""Opening a data set of labelled images, features or texts, and finding one's way in it.

Configuration, splits and columns are detected by the rules written at each function; every one can
be given instead, and whatever cannot be found is refused with a list of what is there.
"""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hubmerge.data.column_types import UNLABELLED, inner
from hubmerge.data.columns import (
    SOURCE,
    WITHOUT_LABELS,
    first,
    listed,
    require_columns,
    with_parts,
)
from hubmerge.data.data_columns import DataColumns
from hubmerge.data.data_files import check_file, check_files, check_folder
from hubmerge.data.label_columns import named, with_label_lists
from hubmerge.data.pictures import NOWHERE, Place, undecoded
from hubmerge.data.sounds import undecoded_sounds
from hubmerge.errors import DataError, HubmergeError, ResourceError
from hubmerge.errors.wording import quoted
from hubmerge.utils.foreign import denied, exhausted
from hubmerge.utils.lfs import FETCH, is_pointer_file
from hubmerge.utils.progress import is_quiet
from hubmerge.utils.row_files import READERS, is_row_file

if TYPE_CHECKING:
    from datasets import ClassLabel, Dataset, DatasetBuilder, Value

TEST = ("test",)
VALIDATION = ("validation", "valid", "val", "dev")
TRAIN = ("train", "training")
"""Split names by what they are for, most usual first."""
DETECTED = DataColumns()
"""Every column is detected."""
FILE_SPLIT = "rows"
"""The one split of a single file, which says of none what it is for."""


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """An opened data set and the place of everything in it."""

    ref: str
    """The data set as the user named it."""
    config: str | None
    """None for a folder that knows no configurations."""
    splits: Mapping[str, Dataset]
    split: str
    """Evaluation rows come from here."""
    calibration_split: str | None
    """Calibration rows come from here; None: out of `split`."""
    validation_split: str | None
    """Validation rows come from here; None: out of `split`."""
    image_column: str | None
    feature_column: str | None
    label_column: str | None
    """None for texts, which say themselves what follows, and for rows without labels."""
    label_columns: tuple[str, ...] = ()
    """Those that say of one label each whether it is right, where the label column was made of
    them."""
    notes: tuple[str, ...] = ()
    """What a reader of the report should know of how this was found."""
    text_column: str | None = None
    pair_column: str | None = None
    """Second texts, each read together with the one in `text_column`."""
    negative_column: str | None = None
    """Third texts, which do not belong to those in `text_column`."""
    audio_column: str | None = None
    place: Place = NOWHERE
    """Where files that rows name may lie."""
    left_out: Mapping[str, frozenset[int]] = field(default_factory=dict)
    """Split -> numbers of its rows that say nothing."""

    @property
    def label_feature(self) -> ClassLabel | Value | None:
        """The type of a label: that of the label column, or of what its lists hold."""
        kind = self.splits[self.split].features.get(self.label_column)
        held = inner(kind)
        return kind if held is None else held

    @property
    def label_names(self) -> list[str] | None:
        """Class names by label index, where the labels are numbers with names."""
        from datasets import ClassLabel

        feature = self.label_feature
        return list(feature.names) if isinstance(feature, ClassLabel) and feature.names else None


def open_data(
    folder: str | Path,
    *,
    ref: str,
    config: str | None = None,
    split: str | None = None,
    calibration_split: str | None = None,
    columns: DataColumns = DETECTED,
    within: Path | None = None,
) -> DataSet:
    """Open what `load_dataset` (README configs, parquet, csv, image folders) or `save_to_disk`
    left in `folder`, or a single file of rows (txt, jsonl, csv, tsv, parquet).

    `ref` is its name in errors. columns: as asked for, those that are None being detected.
    within: where links in the folder may lead; None: anywhere, as in a folder of the user's own.

    Evaluation split: test, else validation, else the only one; one whose labels are all kept
    secret is passed over. Calibration split: train. Validation split: validation, if it is
    neither of those. Columns: see `columns.py`.
    Raises: DataError; ResourceError, if the disk is full.
    """
    known, opened_config, place = _read(Path(folder), ref, config, within)
    if SOURCE in columns.inputs:
        known = {name: with_parts(rows) for name, rows in known.items()}
    found_labels = (columns.of_labels(rows.features) for rows in known.values())
    if one_each := next(filter(None, found_labels), ()):
        known = with_label_lists(known, one_each, ref)
        columns = replace(columns, label=named(one_each))
    for asked in (split, calibration_split):
        if asked is not None:
            _known_split(asked, known, ref)
    chosen, notes = (split, ()) if split else _evaluation_split(known, columns, ref)
    labelled = columns.labelled
    columns = columns.found_in(known[chosen].features, ref)
    if not labelled and not columns.answered(known[chosen]):
        columns = replace(columns, label=None)
    if labelled and not columns.answered(known[chosen]):
        raise DataError(
            f'split "{chosen}" of {ref} has no labels: every "{columns.label}" is {UNLABELLED} '
            "or missing",
            found=f"splits {listed(known)}",
            hint=f"measure on a split with labels, or {WITHOUT_LABELS}",
        )
    others = {name: rows for name, rows in known.items() if name != chosen}
    validation = first(VALIDATION, others)
    has_labels = columns.label is not None
    if validation is not None and has_labels and not columns.answered(others[validation]):
        validation = None
    calibration = calibration_split or first(TRAIN, others)
    if calibration == chosen:
        calibration = None
    if validation == calibration:
        validation = None
    if calibration is not None:
        wanted_there = columns.named
        require_columns(known[calibration].features, wanted_there, calibration, ref)
    needs_labels = {chosen: True, validation: True, calibration: False}
    empty = {
        name: columns.empty_rows(known[name], name, ref, labels=wants)
        for name, wants in needs_labels.items()
        if name is not None
    }
    for name, found in empty.items():
        notes = (*notes, *found.notes(name, columns.words))
    return DataSet(
        ref=ref,
        config=opened_config,
        splits=known,
        split=chosen,
        calibration_split=calibration,
        validation_split=validation,
        image_column=columns.image,
        feature_column=columns.feature,
        label_column=columns.label,
        notes=notes,
        text_column=columns.text,
        pair_column=columns.pair,
        negative_column=columns.negative,
        audio_column=columns.audio,
        label_columns=one_each,
        place=place,
        left_out={name: found.rows for name, found in empty.items() if found.rows},
    )


def _read(
    folder: Path, ref: str, config: str | None, within: Path | None
) -> tuple[dict[str, Dataset], str | None, Place]:
    """Every split in `folder`, the configuration opened, and where its files may lie."""
    import datasets

    if folder.is_file() and is_row_file(folder.name):
        return _read_file(folder, ref, config, within)
    if not folder.is_dir():
        raise DataError(f"there is no data set folder {folder}", source=ref)
    folder = folder.resolve()
    check_folder(folder, ref, within)
    _refuse_pointers(folder, ref)
    with _refusing(ref), _bars():
        if (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file():
            # Saved with the format of another library, rows would come as its arrays.
            found, name = datasets.load_from_disk(str(folder)).with_format(None), None
        else:
            builder = _builder(folder, ref, config)
            check_files(builder, folder, ref, within)
            builder.download_and_prepare()
            found, name = builder.as_dataset(), builder.config.name
    if name is None and config is not None:
        raise _no_config(ref, config, "a folder written by save_to_disk, which has none")
    splits = (
        found if isinstance(found, datasets.DatasetDict) else {str(found.split or "train"): found}
    )
    splits = {
        str(split): undecoded(undecoded_sounds(rows)) for split, rows in splits.items() if len(rows)
    }
    if not splits:
        raise DataError(f"{ref} has no rows")
    return splits, name, Place(folder, within)


def _read_file(
    path: Path, ref: str, config: str | None, within: Path | None
) -> tuple[dict[str, Dataset], str | None, Place]:
    """As `_read`, of a single file of rows: one split."""
    import datasets

    if config is not None:
        raise _no_config(ref, config, "a single file, which has none")
    builder = READERS[path.suffix.lower()]
    check_file(path, builder, ref, within)
    with _refusing(ref), _bars():
        options = {"sep": "\t"} if path.suffix.lower() == ".tsv" else {}
        files = {FILE_SPLIT: glob.escape(str(path.resolve()))}
        found = datasets.load_dataset(builder, data_files=files, split=FILE_SPLIT, **options)
    if not len(found):
        raise DataError(f"{ref} has no rows")
    return (
        {FILE_SPLIT: undecoded(undecoded_sounds(found))},
        None,
        Place(path.resolve().parent, within),
    )


def _no_config(ref: str, config: str, found: str) -> DataError:
    return DataError(f"{ref} has no configuration {quoted(config)}", found=found)


def _refuse_pointers(folder: Path, ref: str) -> None:
    """Raises: DataError, if a file is only a pointer of git-lfs. Looked for here, because readers
    of each format stumble over them in their own way."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and is_pointer_file(path):
            name = path.relative_to(folder).as_posix()
            raise DataError(
                f"{name} of {ref} is a git-lfs pointer, not the file itself", hint=FETCH
            )


def _builder(folder: Path, ref: str, config: str | None) -> DatasetBuilder:
    """What reads `config`; without one the default configuration, or the only one."""
    import datasets

    try:
        return datasets.load_dataset_builder(str(folder), config)
    except ValueError:
        names = datasets.get_dataset_config_names(str(folder))
        if config is not None and config not in names:
            found = f"configurations {listed(names)}"
            raise _no_config(ref, config, found) from None
        default = datasets.get_dataset_default_config_name(str(folder))
        if config is None and default is None and len(names) > 1:
            raise DataError(
                f"{ref} has several configurations and none is its default",
                found=f"configurations {listed(names)}",
                hint="choose one of them",
            ) from None
        raise


def _evaluation_split(
    known: Mapping[str, Dataset], wanted: DataColumns, ref: str
) -> tuple[str, tuple[str, ...]]:
    """The split to evaluate on, and what to say about the choice."""
    usual = [name for name in (first(TEST, known), first(VALIDATION, known)) if name]
    for name in usual:
        if wanted.answers_in(known[name], ref):
            secret = usual[: usual.index(name)]
            return name, tuple(f'the labels of split "{other}" are not public' for other in secret)
    if usual and not wanted.labelled:
        return usual[0], ()
    if len(known) == 1:
        return next(iter(known)), ()
    raise DataError(
        f"{ref} has no {'labelled ' if wanted.labelled else ''}test or validation split",
        found=f"splits {listed(known)}",
        hint="name the split to evaluate on",
    )


def _known_split(name: str, known: Mapping[str, Dataset], ref: str) -> None:
    if name not in known:
        raise DataError(f"{ref} has no split {quoted(name)}", found=f"splits {listed(known)}")


@contextmanager
def _refusing(ref: str) -> Iterator[None]:
    """Whatever `datasets` stumbles over, as an error of ours: of its own cache as well."""
    try:
        yield
    except HubmergeError:
        raise
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # panics of compiled code are no Exception
        if (lack := exhausted(error)) is not None or "disk space" in str(error):
            raise lack or ResourceError(f"no disk space to open {ref}", found=str(error)) from error
        if (barred := denied(error)) is not None:
            raise barred from error
        last: BaseException = error
        while last.__cause__ is not None:
            last = last.__cause__
        if isinstance(last, StopIteration) or "corresponds to no data" in str(last):
            raise DataError(f"{ref} has no rows", found="its files hold none") from error
        raise DataError(
            f"{ref} cannot be opened as a data set",
            found=f"{type(last).__name__}: {last}",
            hint="a folder that datasets.load_dataset or load_from_disk reads is needed",
        ) from error


@contextmanager
def _bars() -> Iterator[None]:
    """`datasets` shows its own progress bars, unless ours are off, and leaves errors to us."""
    import datasets

    shown, said = datasets.are_progress_bars_disabled() is False, datasets.logging.get_verbosity()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    if is_quiet():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(said)
        if shown:
            datasets.enable_progress_bars()
