"""Content-addressed storage: every file's bytes, once, under their sha256."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hubmerge.localhub.disk import Disk
from hubmerge.localhub.records import Entry
from hubmerge.localhub.refusal import Refusal


class Blobs:
    """`blobs/ab/abcd…`: written once, never changed."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def path(self, sha256: str) -> Path:
        """Where the bytes with this hash lie, or would lie."""
        return self._disk.root / "blobs" / sha256[:2] / sha256

    def size(self, sha256: str) -> int | None:
        """Number of bytes, or None if no such blob is stored."""
        try:
            return self.path(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, entry: Entry) -> bytes:
        """The whole content of a (small) file."""
        return self.path(entry.sha256).read_bytes()

    def put(self, content: bytes, charge: Callable[[int], None]) -> Entry:
        """Stores a regular file.

        charge: is told the bytes that are new, and may refuse them; less than 0, if they could not
        be stored.
        """
        sha256 = hashlib.sha256(content).hexdigest()
        if self.size(sha256) is None:
            charge(len(content))
            try:
                self._disk.write(self.path(sha256), content)
            except OSError:
                charge(-len(content))
                raise
        return Entry(sha256=sha256, size=len(content), oid=git_blob_id(content), lfs=False)

    def incoming(self) -> Incoming:
        """A blob that is uploaded in pieces."""
        return Incoming(self, self._disk)


class Incoming:
    """A partial upload, kept in `tmp/` until `finish` has checked its hash."""

    def __init__(self, blobs: Blobs, disk: Disk) -> None:
        self._blobs = blobs
        self._disk = disk
        self._path = disk.scratch()
        self._file = self._path.open("wb")
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Takes the next piece."""
        self._file.write(piece)
        self._hash.update(piece)
        self.size += len(piece)

    def finish(self, sha256: str, size: int) -> None:
        """Stores the upload; refuses it unless hash and size are as announced."""
        self._file.close()
        if self.size != size or self._hash.hexdigest() != sha256:
            raise Refusal(400, f"The bytes sent are not those of {sha256} ({size} bytes)")
        self._disk.publish(self._path, self._blobs.path(sha256))

    def close(self) -> None:
        """Discards the upload unless it was finished."""
        with suppress(OSError):  # what is still to be written may not fit
            self._file.close()
        self._path.unlink(missing_ok=True)


def lfs_entry(sha256: str, size: int) -> Entry:
    """An LFS file; its git object id is that of the pointer file that stands for it in git."""
    return Entry(sha256=sha256, size=size, oid=git_blob_id(lfs_pointer(sha256, size)), lfs=True)


def lfs_pointer(sha256: str, size: int) -> bytes:
    """The pointer file of git-lfs (specification v1)."""
    head = "version https://git-lfs.github.com/spec/v1"
    return f"{head}\noid sha256:{sha256}\nsize {size}\n".encode()


def git_blob_id(content: bytes) -> str:
    """What `git hash-object` says about `content`."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
