"""That nothing writes to the folders of a merge while it is made: it is named by what they held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from hubmerge.errors import DataError, WeightsError
from hubmerge.hub.source import Source, loaded_files
from hubmerge.pipeline.context import Run

Seen = tuple[int, int, int]
"""Number, size and time of a file, one of which changes with it."""
States = Mapping[Source, Mapping[str, Seen | None]]
"""Of every folder, its files by name; None for one that is gone."""


def states_of(run: Run) -> States:
    """What can be seen of the folders that a merge is made of, without reading a file.

    Called by all processes alike; the main one looks.
    """
    return run.workers.on_main(lambda: _states(run))


def refuse_changes(run: Run, before: States) -> None:
    """Called by all processes alike. before: as the folders were when they were hashed.

    Raises: WeightsError, DataError, if one of them is not as it was.
    """
    run.workers.on_main(lambda: _refuse_changes(before))


def _states(run: Run) -> States:
    parts = [each for source in run.sources.by_role().values() for each in source.made_of]
    return {
        each: _state(each, loaded_files(each.folder, each.ref, each.repo_type))
        for each in dict.fromkeys(parts)
        if each.kind == "local" and each.folder is not None
    }


def _state(source: Source, names: Iterable[str]) -> dict[str, Seen | None]:
    assert source.folder is not None
    folder = source.folder.parent if source.folder.is_file() else source.folder
    return {name: _seen(folder / name) for name in names}


def _seen(path: Path) -> Seen | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _refuse_changes(before: States) -> None:
    for source, files in before.items():
        now = _state(source, files)
        changed = [name for name, seen in files.items() if now[name] != seen]
        if not changed:
            continue
        error = DataError if source.repo_type == "dataset" else WeightsError
        raise error(
            f"{source.ref} has changed while it was merged",
            found=", ".join(changed[:5]),
            hint="let nothing write to what is being merged, and merge again",
        )
