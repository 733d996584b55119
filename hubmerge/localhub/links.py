"""Signed links and tickets, for calls without a token.

- Upload links: the client sends the bytes of a large file without a token, so the link names user,
  file and expiry.
- Tickets: a browser with a ticket reads pages and files as its user.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from urllib.parse import urlencode

from hubmerge.localhub.disk import Disk
from hubmerge.localhub.refusal import Refusal

COOKIE = "hubmerge-hub"
LIFETIME = 24 * 3600
"""Seconds a link is valid: long enough for a slow upload."""


class Links:
    """Makes and checks signed links with the key in `ROOT/link.key`."""

    def __init__(self, disk: Disk) -> None:
        path = disk.root / "link.key"
        with disk.lock("links"):
            if not path.exists():
                disk.write(path, secrets.token_bytes(32), mode=0o600)
        self._key = path.read_bytes()

    def upload(self, base: str, user: str, sha256: str, size: int) -> str:
        """URL that accepts the bytes of one blob for `user`."""
        until = str(int(time.time()) + LIFETIME)
        signature = self._sign("upload", user, sha256, str(size), until)
        query = {"user": user, "size": size, "until": until, "signature": signature}
        return f"{base}/-/lfs/{sha256}?{urlencode(query)}"

    def check_upload(self, user: str, sha256: str, size: str, until: str, signature: str) -> None:
        """Refuses (403) a link that was not made by `upload`, or that is too old."""
        expected = self._sign("upload", user, sha256, size, until)
        if not hmac.compare_digest(expected.encode(), signature.encode()):
            raise Refusal(403, "This upload link was not made here")
        if time.time() > int(until):
            raise Refusal(403, "This upload link has expired: ask for a new one")

    def ticket(self, user: str) -> str:
        """A ticket to read as `user`."""
        return f"{user}:{self._sign('ticket', user)}"

    def check_ticket(self, ticket: str) -> str | None:
        """The user of a ticket that was made here, or None."""
        user, _, signature = ticket.rpartition(":")
        expected = self._sign("ticket", user)
        return user if hmac.compare_digest(expected.encode(), signature.encode()) else None

    def _sign(self, *parts: str) -> str:
        message = "\n".join(parts).encode()
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()
