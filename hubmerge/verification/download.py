"""Bringing a published merge here: its weights and whatever it says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import NotFoundError
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.layout import CONFIG, INDEX
from hubmerge.hub.source import Source, resolve
from hubmerge.matching.alignment_files import is_alignment
from hubmerge.matching.match_files import SUMMARY, TENSORS
from hubmerge.pipeline.existing import REPORT
from hubmerge.recipe import RECIPE_FILE, Recipe, read_recipe
from hubmerge.registry import naming_absent
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.plugins import missing_plugins
from hubmerge.reporting.schema.report import Report
from hubmerge.tasks import companion_files
from hubmerge.verification.claims import CARD

OWN = {CARD, *PICTURES, REPORT, RECIPE_FILE, CONFIG, INDEX}


@dataclass(frozen=True)
class Merge:
    """A merge as it is published, here."""

    source: Source
    folder: Path
    names: tuple[str, ...]
    """Files that a merge has, relative to the folder."""
    further: tuple[str, ...]
    """Other files of the repository, which are not here."""
    report: Report
    recipe: Recipe

    def weights(self) -> list[Path]:
        """The files of weights."""
        return [self.folder / name for name in self.names if _is_weights(name)]


def download_merge(ref: str) -> Merge:
    """The merge `ref`: a Hub id, `id@revision` or a folder.

    Raises: NotFoundError, if it does not exist or is no merge; RecipeError, if its report or recipe
    cannot be read; AccessError, HubUnavailableError.
    """
    source = resolve(ref)
    there = [name for name in file_sizes(source) if not name.startswith(".")]
    if missing := [name for name in (REPORT, RECIPE_FILE) if name not in there]:
        raise NotFoundError(
            f"{ref} is no merge that can be checked",
            found=f"it holds no {' and no '.join(missing)}",
            hint="name a published merge, or the folder of one",
        )
    companions = companion_files()
    names = tuple(name for name in there if name in OWN or name in companions or _is_ours(name))
    paths = [fetch_file(source, name) for name in names]
    folder = source.folder or paths[names.index(REPORT)].parent
    further = tuple(name for name in there if name not in names)
    report = Report.read(folder)
    absent = missing_plugins(report.method.plugins or ())
    with naming_absent((each.kind, each.name) for each in absent):
        recipe = read_recipe(folder)
    return Merge(source, folder, names, further, report, recipe)


def _is_weights(name: str) -> bool:
    return name.endswith(".safetensors") and "/" not in name and not is_alignment(name)


def _is_ours(name: str) -> bool:
    folder, slash, file = name.rpartition("/")
    return _is_weights(name) or (
        file in (SUMMARY, TENSORS) and is_alignment(folder + slash + TENSORS)
    )
