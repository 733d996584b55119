"""Where local models and data sets lie on this machine: content hash -> folder, for this user.

What is published names a folder by its name and a hash of its content; this index, in the user's
data folder and never published, says where that content was seen. What is found is hashed again.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from secrets import token_hex

from platformdirs import user_data_path

from hubmerge.utils.pinned_refs import HASH

MOST = 8
"""Folders that are remembered for one content, the last seen first."""

_seen: dict[str, tuple[Path, ...]] = {}
"""Those of this process, for users whose data folder cannot be written."""


def known_folders(sha: str) -> list[Path]:
    """Folders that held this content when they were last seen, the latest first."""
    if not HASH.fullmatch(sha):
        return []
    try:
        lines = (_index() / sha).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        lines = []
    return list(dict.fromkeys([*_seen.get(sha, ()), *(Path(line) for line in lines if line)]))


def remember_folder(sha: str, folder: Path) -> None:
    """Notes that `folder` holds this content now; in this process alone, if nothing can be written.

    A name with a line break in it cannot be noted.
    """
    place = folder.resolve()
    if not HASH.fullmatch(sha) or "\n" in str(place):
        return
    places = [place, *(each for each in known_folders(sha) if each != place)][:MOST]
    _seen[sha] = (place, *(each for each in _seen.get(sha, ()) if each != place))
    with suppress(OSError):
        index = _index()
        index.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = index / f".{sha}.{token_hex(4)}"
        fresh.write_text("".join(f"{each}\n" for each in places), encoding="utf-8")
        fresh.replace(index / sha)


def _index() -> Path:
    return user_data_path("hubmerge", appauthor=False) / "folders"
