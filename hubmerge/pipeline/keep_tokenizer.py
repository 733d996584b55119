"""The tokenizer beside a merge: what stock code makes of the files has to be parent A's.

Stock code reads some tokenizers by what lies beside them, such as the version of transformers that
wrote config.json (the expression that splits texts for models like Mistral), and the merge's is
written by another.
"""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors import MismatchError, RoundTripError
from hubmerge.hub.json_files import read_json
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.hub.tokenizer import FAST, check_same_tokens, load_tokenizer

VERSION = "transformers_version"


def keep_tokenizer(folder: Path, a: LoadedModel) -> None:
    """Writes A's tokenizer as it was read, if its own files are read otherwise in `folder`.

    Raises: RoundTripError, if what is written then is read otherwise still.
    """
    backend = getattr(a.tokenizer, "backend_tokenizer", None)
    stock = type(a.tokenizer).__module__.startswith("transformers.")
    if backend is None or not stock or _version(folder) == _version(a.folder):
        return
    if _difference(folder, a) is not None:
        backend.save(str(folder / FAST))
        if (error := _difference(folder, a)) is not None:
            raise RoundTripError(
                f"the tokenizer of {a.source.ref} is read otherwise beside the merge",
                found=str(error),
            )


def _difference(folder: Path, a: LoadedModel) -> MismatchError | None:
    """What a tokenizer read from `folder` does otherwise than A's; None if nothing."""
    try:
        found = load_tokenizer(folder, "the merge")
        check_same_tokens(a.tokenizer, found, a.source.ref, "the merge")
    except MismatchError as error:
        return error
    return None


def _version(folder: Path) -> object:
    return read_json(folder / CONFIG, folder.name).get(VERSION)
