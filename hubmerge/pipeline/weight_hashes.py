"""What the weights of a merge are recognised by."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hubmerge.matching.alignment_files import is_alignment


def weight_hashes(folder: Path) -> dict[str, str]:
    """File name -> sha256 of every weights file in `folder`."""
    return {
        path.name: _sha256(path)
        for path in sorted(folder.glob("*.safetensors"))
        if not is_alignment(path.name)
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
