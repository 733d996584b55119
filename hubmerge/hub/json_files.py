"""The JSON files of a model as transformers can read them: without fields that say nothing.

Some exporters write null, or an empty object, where there is nothing to say. What loads a file
takes that for a value and fails, so that it is given a folder in which such fields are left out.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hubmerge.errors import WeightsError
from hubmerge.hub.config_fields import without_empty
from hubmerge.hub.layout import CONFIG, PROCESSOR
from hubmerge.hub.other_formats import refuse_pointer
from hubmerge.hub.tokenizer import TOKENIZER
from hubmerge.utils import untrusted
from hubmerge.utils.foreign import system_error
from hubmerge.utils.untrusted import Unreadable

Fields = dict[str, Any]


def read_json(path: Path, ref: str) -> Fields:
    """The fields in one file of the model `ref`. Raises: WeightsError."""
    refuse_pointer(path)
    try:
        fields = untrusted.read_json(path)
    except Unreadable as error:
        raise WeightsError(f"{path.name} of {ref} is no JSON", found=str(error)) from error
    except OSError as error:
        raise system_error(error) or error from error
    if not isinstance(fields, dict):
        raise WeightsError(f"{path.name} of {ref} is no JSON object", found=type(fields).__name__)
    return fields


def _without_nulls(fields: Mapping[str, Any]) -> Fields:
    return {n: value for n, value in without_empty(fields).items() if value is not None}


CLEANED: dict[str, Callable[[Mapping[str, Any]], Fields]] = {
    CONFIG: without_empty,
    PROCESSOR: without_empty,
    TOKENIZER: _without_nulls,
}
"""File -> what is left of its fields. A tokenizer takes its defaults for null."""


@contextmanager
def readable(folder: Path, ref: str) -> Iterator[Path]:
    """A folder with the files of `folder`, in whose JSON files no field is empty.

    `folder` itself, if there is none. Raises: WeightsError for what is no JSON.
    """
    changed: dict[str, Fields] = {}
    for name, clean in CLEANED.items():
        if (folder / name).is_file():
            written = read_json(folder / name, ref)
            if (fields := clean(written)) != written:
                changed[name] = fields
    if not changed:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="hubmerge-") as place:
        for path in folder.iterdir():
            if path.name not in changed:
                (Path(place) / path.name).symlink_to(path.resolve())
        for name, fields in changed.items():
            (Path(place) / name).write_text(json.dumps(fields), encoding="utf-8")
        yield Path(place)
