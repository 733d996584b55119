"""Users of the embedded Hub and their permissions.

`ROOT/tokens.json` (readable by its owner only) maps names to tokens and roles:

- `admin`: the owner; writes in any namespace.
- `write`: writes in the namespace of its own name; may open pull requests elsewhere.
- `read`: reads what is public, and its own.
"""

from __future__ import annotations

import hmac
import json
import secrets
from typing import Literal, NamedTuple, get_args

from hubmerge.errors import RecipeError
from hubmerge.localhub.disk import Disk
from hubmerge.localhub.names import RESERVED, RepoKey, is_name
from hubmerge.localhub.records import State
from hubmerge.localhub.refusal import WRONG_TOKEN, Refusal, repo_not_found

Role = Literal["admin", "write", "read"]
OWNER = "me"
"""Name and namespace of the owner."""


class Account(NamedTuple):
    """A signed-in user."""

    name: str
    role: Role


class Accounts:
    """The users of one embedded Hub. Changes by other processes are seen at once."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk
        self.path = disk.root / "tokens.json"
        with disk.lock("tokens"):
            if not self.path.exists():
                self._write({OWNER: {"token": _new_token(), "role": "admin"}})

    @property
    def owner_token(self) -> str:
        """Token of the owner."""
        return self._read()[OWNER]["token"]

    def names(self) -> list[str]:
        """All users."""
        return sorted(self._read())

    def add(self, name: str, role: Role = "write") -> str:
        """Adds a user (or changes its role) and returns its token."""
        if not is_name(name) or name in RESERVED or role not in get_args(Role):
            raise RecipeError(
                f"not a user of an embedded Hub: {name!r} as {role!r}",
                hint=f"a name as on the Hub, and one of the roles {', '.join(get_args(Role))}",
            )
        with self._disk.lock("tokens"):
            users = self._read()
            token = users.get(name, {}).get("token") or _new_token()
            self._write({**users, name: {"token": token, "role": role}})
        return token

    def identify(self, authorization: str | None) -> Account | None:
        """The user an `Authorization` header names; None without one; refuses a wrong token."""
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        found = None
        for name, user in self._read().items():
            if hmac.compare_digest(user["token"].encode(), token.strip().encode()):
                found = Account(name, user["role"])
        if scheme.lower() != "bearer" or found is None:
            raise Refusal(401, WRONG_TOKEN)
        return found

    def named(self, name: str | None) -> Account | None:
        """The user of that name, if there is one."""
        user = self._read().get(name or "")
        return Account(name, user["role"]) if name and user else None

    def _read(self) -> dict[str, dict]:
        return json.loads(self.path.read_bytes())

    def _write(self, users: dict[str, dict]) -> None:
        self._disk.write(self.path, json.dumps(users, indent=1).encode(), mode=0o600)


def can_write_in(account: Account | None, namespace: str) -> bool:
    """Whether `account` may create, change and delete repositories of `namespace`."""
    if account is None or account.role == "read":
        return False
    return account.role == "admin" or account.name == namespace


def can_see(account: Account | None, key: RepoKey, state: State) -> bool:
    """Whether the repository exists as far as `account` is concerned."""
    if not state.private:
        return True
    return account is not None and (account.role == "admin" or account.name == key.namespace)


def can_open_files(account: Account | None, key: RepoKey, state: State) -> bool:
    """Whether `account`, who can see the repository, may also download from it."""
    if not state.gated or can_write_in(account, key.namespace):
        return True
    return account is not None and account.name in {*state.granted, key.namespace}


def require_files(account: Account | None, key: RepoKey, state: State) -> None:
    """Refuses unless `can_open_files`."""
    if not can_open_files(account, key, state):
        where = f"Access to {key.singular} {key.id} is restricted"
        if account is None:
            raise Refusal(401, f"{where}: you must be signed in to access it", "GatedRepo")
        raise Refusal(403, f"{where} and you are not in the authorized list", "GatedRepo")


def require_account(account: Account | None) -> Account:
    """The signed-in user; refuses anonymous calls."""
    if account is None:
        raise Refusal(401, "Sign in to do that: no token was sent")
    return account


def require_write(account: Account | None, key: RepoKey) -> Account:
    """The signed-in user, if it may change the repository."""
    if account is None:
        raise repo_not_found(signed_in=False)
    if not can_write_in(account, key.namespace):
        what = f"{account.name} ({account.role}) may not write to {key.singular} {key.id}"
        raise Refusal(403, what)
    return account


def require_contributor(account: Account | None, key: RepoKey, state: State) -> Account:
    """The signed-in user, if it may propose changes: pull requests and the files for them."""
    if account is None:
        raise repo_not_found(signed_in=False)
    require_files(account, key, state)
    if account.role == "read":
        raise Refusal(403, f"{account.name} has a read-only token")
    return account


def _new_token() -> str:
    return "hf_local" + secrets.token_hex(16)
