"""Which files of a repository stock code loads, and which others could change what it loads.

`from_pretrained` chooses by name (transformers 5, `_get_resolved_checkpoint_files` in
modeling_utils.py and `find_adapter_config_file` in utils/peft_utils.py): an adapter's configuration
goes before everything and replaces the model by its base; then comes the file that config.json
names in `transformers_weights`; then model.safetensors; then the index and its shards; and pickled
weights where there are no others. With arguments it also takes variants, subfolders and other
formats, and processors and tokenizers have files of their own. So whatever is not known to be inert
counts as able to change what is loaded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection
from pathlib import PurePosixPath
from typing import Any

from hubmerge.errors import WeightsError
from hubmerge.hub.layout import CONFIG, INDEX, PICKLES, WEIGHTS, weight_files

ADAPTER = "adapter_config.json"
"""An adapter beside the weights: stock code loads the base that is named in it."""
EXPLICIT = "transformers_weights"
"""Field of config.json that names a file of weights."""

TEXTS = (".md", ".markdown", ".rst", ".txt", ".pdf", ".html", ".htm", ".bib", ".cff", ".csv")
TEXTS_OF_PROGRAMS = (".tsv", ".log", ".ipynb", ".tex", ".yaml", ".yml", ".toml", ".lock")
MEDIA = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".bmp", ".ico", ".mp4", ".wav", ".mp3")
OTHER_PROGRAMS = (".gguf", ".onnx", ".onnx_data", ".ort", ".tflite", ".mlmodel", ".parquet")
INERT_ENDINGS = frozenset((*TEXTS, *TEXTS_OF_PROGRAMS, *MEDIA, *OTHER_PROGRAMS))
"""Endings of files that transformers loads nothing from unless it is given their names: texts,
pictures, and formats of other programs."""
PAPERS = ("LICENSE", "LICENCE", "NOTICE", "COPYING", "AUTHORS", "CITATION", "CHANGELOG")
TOOLS = ("Makefile", "Dockerfile", ".gitattributes", ".gitignore", ".gitkeep", ".DS_Store")
INERT_NAMES = frozenset((*PAPERS, *TOOLS))
VOCABULARY = re.compile(r"vocab|merges|dict|token|bpe|spm|sentencepiece|added|special|chat", re.I)
"""What names of texts that tokenizers read have in them: vocab.txt, merges.txt, dict.txt."""
OWN_FOLDERS = (".git/", ".cache/")
"""Where git and the Hub's client keep what is theirs in a folder."""


def loaded_weights(names: Collection[str], config: Any, read: Callable[[str], str]) -> list[str]:
    """The files whose tensors `from_pretrained` loads, as it chooses them itself.

    Parameters:
        names: all files of the repository.
        config: what its config.json says.
        read: the text of a file.

    Raises: WeightsError, if it would load none of them, another model, or a pickle; or where two
    readers of its index could take different files.
    """
    if ADAPTER in names:
        raise WeightsError(
            f"with {ADAPTER} beside the weights, stock code loads the base named there instead"
        )
    if isinstance(config, dict) and config.get(EXPLICIT) is not None:
        raise WeightsError(
            f"{CONFIG} names the file of weights itself",
            found=f"{EXPLICIT}: {str(config[EXPLICIT])[:100]}",
        )
    files = [name for name in weight_files(names, read, "the merge") if name != INDEX]
    if WEIGHTS not in names:
        _check_index(read(INDEX))
    return files


def _check_index(text: str) -> None:
    """Raises: WeightsError, if the index says something twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise WeightsError(f"{INDEX} says something twice")
        return dict(pairs)

    json.loads(text, object_pairs_hook=once)


def is_inert(name: str) -> bool:
    """Whether nothing that stock code loads can depend on a file of that name."""
    path = PurePosixPath(name)
    if path.suffix == ".txt" and VOCABULARY.search(path.name):
        return False
    bare = path.name.split(".")[0] if path.suffix.lower() in ("", ".txt", ".md") else path.name
    return path.suffix.lower() in INERT_ENDINGS or path.name in INERT_NAMES or bare in INERT_NAMES


def what_it_changes(name: str) -> str:
    """Why a file that a merge does not have may not lie beside it."""
    path = PurePosixPath(name)
    if path.name == ADAPTER:
        return "an adapter: stock code loads the base that it names, and not these weights"
    if path.suffix == ".safetensors" or name.endswith(".safetensors.index.json"):
        return "further weights, which stock code loads as a variant, from a subfolder or by name"
    if path.suffix in PICKLES or name.endswith(".bin.index.json"):
        return "weights in another format, which stock code can be made to load; never opened here"
    if path.suffix == ".py":
        return "code, which is run where remote code is trusted"
    return "it can change what is loaded, and is no file of this merge"
