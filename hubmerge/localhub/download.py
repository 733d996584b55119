"""Downloading: `/…/resolve/{revision}/{path}`, whole or by range."""

from __future__ import annotations

from starlette.responses import FileResponse, Response

from hubmerge.localhub.refusal import entry_not_found
from hubmerge.localhub.routing import Call, Routes

routes = Routes()

IMAGES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}
"""Types that browsers may render: in a picture no script runs, and opened by itself it is in a
sandbox."""


class _File(FileResponse):
    """A file in pieces large enough for weights."""

    chunk_size = 2**20


@routes("GET HEAD", "/@{type}/{namespace}/{name}/resolve/{revision}/{path*}")
def resolve(call: Call) -> Response:
    """One file at one revision; the ETag is its sha256 (LFS) or git id."""
    call.require_files()
    oid = call.store.resolve(call.state, call.revision)
    entry = call.store.commit(call.key, oid).tree.get(call.path)
    if entry is None:
        raise entry_not_found(call.path, oid)
    headers = {"X-Repo-Commit": oid, "ETag": f'"{entry.sha256 if entry.lfs else entry.oid}"'}
    if entry.lfs:
        headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(entry.size)}
    _, dot, suffix = call.path.rpartition(".")
    image = IMAGES.get((dot + suffix).lower())
    if image is not None and not call.state.private:
        # A gallery at another port shows curves. Addresses without a domain have no site in common.
        headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    media_type = "application/octet-stream" if entry.lfs else "text/plain; charset=utf-8"
    return _File(
        call.store.blobs.path(entry.sha256), headers=headers, media_type=image or media_type
    )
