"""An alignment as files: `alignment.safetensors` for machines, `alignment.json` for readers."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import action, option, quoted
from hubmerge.matching.result import Match, SpaceMatch
from hubmerge.matching.text import match_json, match_summary
from hubmerge.specs.spec import FLIP, ROTARY, TWO_SIDED, Spec
from hubmerge.symmetry.element import fixes_one
from hubmerge.symmetry.rotary import is_rotary
from hubmerge.utils.tensor_files import store

MAP = "map:"
"""What stands before a space's name where the file holds its map."""

LARGEST_CONDITION = 1e8
"""A map whose condition number is larger cannot be undone well enough to keep the function."""

ROUNDING = 1e-9
"""Largest error, as a share of its largest entry, of a map that rotary positions commute with."""

SYMMETRY = "symmetry"
"""What says in the file how far units were brought to one size."""

TENSORS = "alignment.safetensors"
SUMMARY = "alignment.json"


def save_match(match: Match, folder: Path) -> list[Path]:
    """Writes the symmetry and what it gained into `folder`, which exists."""
    summary = match_summary(match)
    said = {**summary, SYMMETRY: match.spec.symmetry}
    metadata = {"hubmerge": json.dumps(said, sort_keys=True)}
    maps = {MAP + name: matrix.contiguous() for name, matrix in match.maps.items()}
    store({**match.permutation, **maps}, folder / TENSORS, metadata)
    (folder / SUMMARY).write_text(match_json(match) + "\n", encoding="utf-8")
    return [folder / TENSORS, folder / SUMMARY]


def load_match(path: Path, spec: Spec) -> Match:
    """The match saved at `path` (the file, or its folder), for models of `spec`.

    Raises: NotFoundError; RecipeError, if it is not a symmetry of exactly these spaces.
    """
    file = path / TENSORS if path.is_dir() else path
    if not file.is_file():
        raise NotFoundError(
            f"there is no alignment {quoted(str(file))}",
            hint=action("save alignment"),
            field="alignment",
        )
    try:
        with safe_open(file, "pt") as opened:
            summary = json.loads((opened.metadata() or {}).get("hubmerge", "null"))
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (SafetensorError, ValueError) as error:
        raise RecipeError(f"{str(file)!r} is no alignment", found=str(error)) from error
    if not isinstance(summary, dict):
        raise RecipeError(
            f"{str(file)!r} is no alignment", found="a file that hubmerge did not write"
        )
    permutation = {name: value for name, value in tensors.items() if not name.startswith(MAP)}
    maps = {name.removeprefix(MAP): v for name, v in tensors.items() if name.startswith(MAP)}
    if set(permutation) == set(spec.observed.ordered_spaces()):
        spec = spec.observed
    _check_permutation(file, spec, permutation)
    try:
        spec = _as_made(file, spec, summary[SYMMETRY])
        _check_maps(file, spec, maps)
        spaces = tuple(SpaceMatch(**each) for each in summary["spaces"])
        return Match(summary["method"], spec, permutation, summary["outcome"], spaces, maps)
    except (KeyError, TypeError) as error:
        raise RecipeError(
            f"{str(file)!r} was written by another version of hubmerge", found=repr(error)
        ) from error


def _as_made(file: Path, spec: Spec, wanted: str) -> Spec:
    """The spec with as much scaling as the alignment was made with."""
    allowed = spec.allowing(wanted)
    if allowed.symmetry != wanted:
        raise RecipeError(
            f"{str(file)!r} was made with symmetry {wanted!r}",
            found=f"the spec of these models, or {option('symmetry')}, allows {spec.symmetry!r}",
            field="symmetry",
        )
    return allowed


def _check_permutation(file: Path, spec: Spec, permutation: dict[str, Tensor]) -> None:
    if odd := sorted(set(permutation) ^ set(spec.ordered_spaces())):
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


def _check_maps(file: Path, spec: Spec, maps: dict[str, Tensor]) -> None:
    kinds = spec.mapped_spaces()
    for name, matrix in maps.items():
        if name not in kinds:
            raise RecipeError(
                f"{str(file)!r} maps {name}",
                found=f"spaces that may be mapped: {', '.join(kinds) or 'none'}",
                hint=f"was it made with {option('symmetry', 'all')}, and is this "
                f"{option('symmetry', 'permutations')}?",
                field="symmetry",
            )
        shape = spec.index_shape(name)
        fits = matrix.dtype == torch.float64 and matrix.shape == (*shape, shape[-1])
        if not fits or not matrix.isfinite().all() or not _allowed(spec, name, matrix):
            raise RecipeError(
                f"{str(file)!r} holds no map of {name}",
                found=f"{matrix.dtype} {list(matrix.shape)}; the space has {list(shape)} and may "
                f"be changed by a {kinds[name]} map",
            )


def _allowed(spec: Spec, space: str, matrix: Tensor) -> bool:
    """Whether a map is of its space's kind."""
    if spec.spaces[space].may in TWO_SIDED:
        sound = bool((torch.linalg.cond(matrix) < LARGEST_CONDITION).all())
        return sound and (spec.spaces[space].may != ROTARY or is_rotary(matrix, ROUNDING))
    if spec.spaces[space].may == FLIP:
        size, entries = matrix.abs(), torch.ones(matrix.shape[-1], dtype=matrix.dtype)
        plain = bool(((size == 0) | (size == 1)).all())
        return plain and torch.equal(size.sum(0), entries) and torch.equal(size.sum(1), entries)
    still = torch.eye(matrix.shape[-1], dtype=matrix.dtype)
    turned = torch.allclose(matrix @ matrix.mT, still, atol=1e-9)
    one = torch.ones(matrix.shape[-1], dtype=matrix.dtype)
    return turned and (not fixes_one(spec, space) or torch.allclose(matrix @ one, one, atol=1e-9))
