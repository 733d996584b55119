"""Where unfinished work waits: one file per piece of work, whole or absent."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from hubmerge.utils.tensor_files import store

KEPT = 8
"""Checkpoints that are kept; the oldest are removed first."""


@dataclass(frozen=True)
class CheckpointStore:
    """A folder of files of tensors. What cannot be read there counts as absent."""

    folder: Path

    def take(self, name: str) -> dict[str, Tensor] | None:
        """What was last put there under `name`."""
        try:
            return load_file(self._file(name))
        except (OSError, SafetensorError):
            return None

    def put(self, name: str, tensors: Mapping[str, Tensor]) -> None:
        """Keeps `tensors` under `name` in place of what is there, in one step."""
        file = self._file(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f".{file.name}.partial-{os.getpid()}")
        store(dict(tensors), partial, {})
        os.replace(partial, file)
        with contextlib.suppress(OSError):  # another process may be clearing up as well
            files = sorted(self.folder.glob("*.safetensors"), key=lambda f: f.stat().st_mtime_ns)
            for old in files[:-KEPT]:
                old.unlink()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def fingerprint(words: Iterable[str], states: Iterable[Mapping[str, Tensor]]) -> str:
    """40 hex digits that stand for these words and tensors."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(f"{word}\n".encode())
    for state in states:
        for name in sorted(state):
            value = state[name].detach().cpu().contiguous()
            digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            digest.update(value.flatten().numpy().tobytes())
    return digest.hexdigest()[:40]
