"""Bringing a pinned source onto this machine: what is needed, whole, and safetensors only."""

from __future__ import annotations

import glob
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.utils import tqdm as HubBar

from hubmerge.errors import DataError, WeightsError
from hubmerge.hub.client import ask, bars, cache_folder, client, endpoint
from hubmerge.hub.layout import CONFIG, model_files, read_header
from hubmerge.hub.other_formats import ADAPTER, ADAPTER_WEIGHTS
from hubmerge.hub.source import Source, folder_files
from hubmerge.utils.events import Progress, emit, is_heard
from hubmerge.utils.limits import most_bytes


def file_sizes(source: Source) -> dict[str, int]:
    """Name -> bytes of all files of the source, sorted by name.

    Raises: NotFoundError, AccessError, HubUnavailableError.
    """
    if source.folder is not None:
        place = source.folder
        beside = place.parent if place.is_file() else place
        return {name: (beside / name).stat().st_size for name in folder_files(place)}
    return dict(_remote_sizes(source, endpoint()))


@lru_cache(maxsize=64)
def _remote_sizes(source: Source, _hub: str) -> tuple[tuple[str, int], ...]:
    """Asked once: what a commit of one Hub holds does not change."""

    def look() -> list[tuple[str, int]]:
        api = client()
        see = api.model_info if source.repo_type == "model" else api.dataset_info
        info = see(source.id, revision=source.sha, files_metadata=True)
        for entry in info.siblings or []:
            if not _is_safe(entry.rfilename):
                raise refusal(source, "it holds a file of no plain name", repr(entry.rfilename))
        return [(entry.rfilename, entry.size or 0) for entry in info.siblings or []]

    return tuple(sorted(ask(look, source.ref, source.repo_type)))


def _is_safe(name: str) -> bool:
    """Whether it is a path below a folder, and nothing that acts on a terminal."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and not {"", ".", ".."} & set(parts)


def refusal(source: Source, what: str, found: str) -> WeightsError | DataError:
    """The error for a repository that cannot be used as it is."""
    kind = WeightsError if source.repo_type == "model" else DataError
    return kind(f"{source.ref} cannot be used: {what}", found=found)


def fetch_file(source: Source, name: str) -> Path:
    """One file of the source, on this machine.

    Raises: NotFoundError, if there is no such file; AccessError, HubUnavailableError.
    """
    if source.folder is not None:
        return source.folder if source.folder.is_file() else source.folder / name
    size = file_sizes(source).get(name, 0)
    if size > (most := most_bytes(name)):
        raise refusal(source, f"{name} has {size:,} bytes", f"at most {most:,} are read")

    def download() -> Path:
        with bars():
            return Path(
                client().hf_hub_download(
                    source.id,
                    name,
                    revision=source.sha,
                    repo_type=source.repo_type,
                    cache_dir=cache_folder(),
                )
            )

    return ask(download, source.ref, source.repo_type)


def fetched_apart(source: Source, name: str) -> bytes:
    """The content of a small file on the Hub, which is not kept. Raises: as `fetch_file`."""

    def download() -> bytes:
        with tempfile.TemporaryDirectory(prefix="hubmerge-") as place, bars():
            path = client().hf_hub_download(
                source.id,
                name,
                revision=source.sha,
                repo_type=source.repo_type,
                local_dir=place,
            )
            return Path(path).read_bytes()

    return ask(download, source.ref, source.repo_type)


def needed_files(source: Source, *, code: bool = False) -> list[str]:
    """Names of the files `fetch` brings: all that a model loads, or all files of a data set.

    Raises: WeightsError, if safetensors weights are absent or incomplete.
    """
    names = list(file_sizes(source))
    if source.repo_type == "dataset":
        return [name for name in names if not name.endswith(".py")]
    if ADAPTER in names and CONFIG not in names and ADAPTER_WEIGHTS in names:
        return [ADAPTER, ADAPTER_WEIGHTS]
    return model_files(names, lambda name: fetch_file(source, name), source.ref, code=code)


def fetch(source: Source, *, code: bool = False) -> Path:
    """Folder holding the source, downloaded if need be; what is there already is kept.

    code: bring a model's python files too.
    Raises: WeightsError, if weights are pickled, missing or truncated; AccessError;
    HubUnavailableError, after which the same call resumes.
    """
    needed = needed_files(source, code=code)
    folder = source.folder or _download(source, needed)
    for name in needed:
        if source.repo_type == "model" and name.endswith(".safetensors"):
            read_header(folder / name)
    return folder


def download_bytes(source: Source, names: list[str]) -> int:
    """Bytes of `names` that are not on this machine yet.

    Raises: NotFoundError, AccessError, HubUnavailableError.
    """
    if source.folder is not None:
        return 0
    sizes = file_sizes(source)
    return sum(sizes[name] for name in names if not _is_cached(source, name))


def _is_cached(source: Source, name: str) -> bool:
    found = try_to_load_from_cache(
        source.id,
        name,
        cache_dir=cache_folder(),
        revision=source.sha,
        repo_type=source.repo_type,
    )
    return isinstance(found, str)


def _download(source: Source, names: list[str]) -> Path:
    def once() -> Path:
        with bars():
            folder = client().snapshot_download(
                source.id,
                revision=source.sha,
                repo_type=source.repo_type,
                allow_patterns=[glob.escape(name) for name in names],
                cache_dir=cache_folder(),
                tqdm_class=_told(source.id) if is_heard() else None,
            )
        return Path(folder)

    def lacking(folder: Path) -> list[str]:
        return [name for name in names if not (folder / name).is_file()]

    def download() -> Path:
        """Asks whether the Hub is there first: of one that is away the client either returns what
        lies here, whole or not, or asks in vain for one file after the other."""
        for _ in range(2):
            if not all(_is_cached(source, name) for name in names):
                client().repo_info(source.id, revision=source.sha, repo_type=source.repo_type)
            folder = once()
            if not lacking(folder):
                break
        return folder

    folder = ask(download, source.ref, source.repo_type)
    if missing := lacking(folder):
        raise WeightsError(f"{source.ref} came without {', '.join(missing)}", source=str(folder))
    return folder


def _told(name: str) -> type[HubBar]:
    """The client's bars, whose bytes are emitted as events as well."""

    class Told(HubBar):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.counts = options.get("name") == "huggingface_hub.snapshot_download"
            self.arrived = 0
            super().__init__(*arguments, **options)

        def update(self, n: float | None = 1) -> bool | None:
            self.arrived += int(n or 0)
            if self.counts:
                total = max(int(self.total or 0), self.arrived)
                emit(Progress(f"downloading {name}", self.arrived, total, "B"))
            return super().update(n)

    return Told
