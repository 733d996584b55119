"""How large what a publisher uploads may be before it is not even fetched."""

from __future__ import annotations

from collections.abc import Mapping

from hubmerge.hub.client import cache_folder
from hubmerge.hub.layout import CONFIG, INDEX
from hubmerge.pipeline.existing import REPORT
from hubmerge.pipeline.report_method import SPEC_FILE
from hubmerge.planning.resources import free_disk, human, refuse_excess
from hubmerge.recipe import RECIPE_BYTES, RECIPE_FILE, Recipe, counts_of
from hubmerge.reporting.schema.report import MOST_BYTES as REPORT_BYTES
from hubmerge.verification.claims import CARD

MOST_BYTES: Mapping[str, int] = {
    REPORT: REPORT_BYTES,
    RECIPE_FILE: RECIPE_BYTES,
    CARD: 2 << 20,
    CONFIG: 4 << 20,
    INDEX: 64 << 20,
    SPEC_FILE: 1 << 20,
}
"""File -> most bytes."""
MOST_OTHER = 64 << 20
"""Most bytes of a picture, a processor or a part of a tokenizer."""
WIDEST = 8
"""Bytes of the widest number that is stored."""
MOST_STEPS = 100_000
"""Steps, points or rounds that a recipe may ask for: a hundred times what methods do by default."""
HEADERS = 200 << 20
"""Beside the numbers: headers of files of weights, 100 MB each at most."""


def too_large(sizes: Mapping[str, int], weights: set[str], parameters: int) -> dict[str, str]:
    """File -> why it is not fetched, of those that are larger than any of their kind has to be.

    Parameters:
        sizes: file -> bytes, of everything that would be fetched.
        weights: which of them hold tensors.
        parameters: how many the report says there are.
    """
    found = {}
    for name, size in sizes.items():
        # Twice: buffers and tied weights are stored, and no parameters.
        most = 2 * WIDEST * parameters + HEADERS if name in weights else most_bytes(name)
        if size > most:
            found[name] = f"{human(size)}; no file of its kind has more than {human(most)}"
    return found


def most_bytes(name: str) -> int:
    """Most bytes of a file that is no weights."""
    return MOST_BYTES.get(name, MOST_OTHER)


def too_much_work(recipe: Recipe) -> str | None:
    """Why a merge is not made again for a caller who only wants to know; None if it can be."""
    merges = (*recipe.stages.values(), recipe)
    for name, number in (each for merge in merges for each in counts_of(merge).items()):
        if number > MOST_STEPS:
            return f"it asks for {name}: {number:,}; verifying does at most {MOST_STEPS:,}"
    return None


def refuse_what_does_not_fit(size: int) -> None:
    """Raises: ResourceError, if so many bytes cannot be kept here."""
    cache = cache_folder()
    hint = "make room, or set HF_HUB_CACHE to a folder on another disk"
    refuse_excess(f"disk space at {cache}", size, free_disk(cache), hint)
