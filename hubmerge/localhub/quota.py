"""How many bytes each user has sent, and may send: `ROOT/sent/{user}` holds the number so far.

Bytes stay on disk when what named them is deleted, so the number never falls. The owner, whose disk
it is, has no limit.
"""

from __future__ import annotations

import os
import shutil

from hubmerge.localhub import limits
from hubmerge.localhub.accounts import Accounts
from hubmerge.localhub.disk import Disk
from hubmerge.localhub.refusal import Refusal


class Quota:
    """What the users of one embedded Hub have sent."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self._accounts = Accounts(disk)

    def sent(self, user: str) -> int:
        """Bytes that `user` has sent."""
        try:
            return int((self._disk.root / "sent" / user).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def charge(self, user: str, size: int) -> None:
        """Notes that `user` sends `size` bytes; below 0, that they did not arrive.

        Refuses (403) where these are more than a user may send, (507) where the disk is nearly
        full; nothing is noted then.
        """
        if size == 0 or not self._is_limited(user):
            return
        with self._disk.lock(f"sent/{user}"):
            if size > 0:
                self.require(user, size)
            self._write(user, self.sent(user) + size)

    def require(self, user: str, size: int) -> None:
        """Refuses, as `charge` does, what `user` may not send."""
        if size <= 0 or not self._is_limited(user):
            return
        if self.sent(user) + size > limits.SENT:
            raise Refusal(403, f"A user may send at most {limits.SENT:,} bytes to this Hub")
        if shutil.disk_usage(self._disk.root).free - size < limits.FREE:
            raise Refusal(507, "There is no space left on this Hub's disk")

    def _is_limited(self, user: str) -> bool:
        account = self._accounts.named(user)
        return account is not None and account.role != "admin"

    def _write(self, user: str, total: int) -> None:
        folder = self._disk.root / "sent"
        folder.mkdir(exist_ok=True)
        scratch = self._disk.scratch()
        try:
            scratch.write_text(str(max(total, 0)))
            os.replace(scratch, folder / user)
        except OSError:
            scratch.unlink(missing_ok=True)
            raise
