"""An alignment as files: `alignment.safetensors` for machines, `alignment.json` for readers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.matching.result import Match, SpaceMatch
from hubmerge.matching.text import match_json, match_summary
from hubmerge.spec.spec import Spec
from hubmerge.tensors import store

TENSORS = "alignment.safetensors"
SUMMARY = "alignment.json"


def save_match(match: Match, folder: Path) -> list[Path]:
    """Writes the permutation and what it gained into `folder`, which exists."""
    summary = match_summary(match)
    metadata = {"hubmerge": json.dumps(summary, sort_keys=True)}
    store(match.permutation, folder / TENSORS, metadata)
    (folder / SUMMARY).write_text(match_json(match) + "\n", encoding="utf-8")
    return [folder / TENSORS, folder / SUMMARY]


def load_match(path: Path, spec: Spec) -> Match:
    """The match saved at `path` (the file, or its folder), for models of `spec`.

    Raises: NotFoundError; RecipeError, if it is not a permutation of exactly these spaces.
    """
    file = path / TENSORS if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(
            f"there is no alignment {str(file)!r}", hint="hubmerge match A B -o DIR"
        )
    try:
        with safe_open(file, "pt") as opened:
            summary = json.loads((opened.metadata() or {}).get("hubmerge", "null"))
            permutation = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise RecipeError(f"{str(file)!r} is no alignment", found=str(error)) from error
    if not isinstance(summary, dict):
        raise RecipeError(f"{str(file)!r} was not written by hubmerge match")
    wanted = spec.free_spaces()
    if set(permutation) != set(wanted):
        odd = sorted(set(permutation) ^ set(wanted))
        raise RecipeError(
            f"{str(file)!r} is an alignment of other models",
            found=f"spaces that only one side has: {', '.join(odd[:5])}",
        )
    for name, index in permutation.items():
        shape = spec.index_shape(name)
        straight = torch.arange(shape[-1]).expand(shape)
        whole = index.dtype == torch.int64 and tuple(index.shape) == shape
        if not whole or not torch.equal(index.sort(-1).values, straight):
            raise RecipeError(
                f"{str(file)!r} holds no permutation of {name}",
                found=f"{index.dtype} {list(index.shape)}, the space has {list(shape)}",
            )
    try:
        spaces = tuple(SpaceMatch(**each) for each in summary["spaces"])
        return Match(summary["method"], spec, permutation, summary["outcome"], spaces)
    except (KeyError, TypeError) as error:
        raise RecipeError(
            f"{str(file)!r} was written by another version of hubmerge", found=repr(error)
        ) from error
