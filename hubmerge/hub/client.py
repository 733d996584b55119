"""Talking to the Hub: one client, one patience, one translation of its errors into ours."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from pathlib import Path
from typing import Literal, TypeVar

from huggingface_hub import HfApi, constants, get_token
from huggingface_hub.errors import (
    DisabledRepoError,
    EntryNotFoundError,
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import disable_progress_bars

import hubmerge
from hubmerge.errors import (
    AccessError,
    ConflictError,
    HubmergeError,
    HubUnavailableError,
    NotFoundError,
    RecipeError,
    ResourceError,
)
from hubmerge.errors.wording import action, quoted
from hubmerge.hub.pace import watch_pace
from hubmerge.utils.foreign import system_error
from hubmerge.utils.progress import is_quiet

R = TypeVar("R")
RepoType = Literal["model", "dataset"]

NAMES: dict[str, str] = {"model": "model", "dataset": "data set"}
"""What a user calls the two kinds of repository."""

NO_SPACE = 507
"""Status of a Hub whose disk is full: asking again at once does not help."""
PATIENCE: tuple[float, ...] = (1, 2, 4, 8)
"""Seconds waited before each new try when the Hub does not answer."""


def endpoint() -> str:
    """Address of the Hub, without a trailing slash.

    HF_ENDPOINT is read at each call and not at import, so that a program may start an embedded
    Hub and then talk to it.
    """
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


_caller: ContextVar[str | bool | None] = ContextVar("caller", default=None)


@contextmanager
def acting_for(token: str | None) -> Iterator[None]:
    """Inside, requests carry `token`; None: they are anonymous.

    Outside, everything is done with the token of the environment or of `hf auth login`.
    """
    before = _caller.set(token or False)
    try:
        yield
    finally:
        _caller.reset(before)


def client() -> HfApi:
    """The Hub's own client, with the token of `acting_for`, the environment or `hf auth login`."""
    return HfApi(
        endpoint=endpoint(),
        token=_caller.get(),
        library_name="hubmerge",
        library_version=hubmerge.__version__,
    )


def cache_folder() -> Path:
    """Where downloads are kept: HF_HUB_CACHE, else HF_HOME/hub, else the client's default."""
    if named := os.environ.get("HF_HUB_CACHE"):
        return Path(named).expanduser()
    if home := os.environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    return Path(constants.HF_HUB_CACHE)


def signed_in() -> bool:
    """Whether there is a token at all."""
    caller = _caller.get()
    return get_token() is not None if caller is None else bool(caller)


def token_of_caller() -> str | None:
    """The token that requests carry; None: they are anonymous."""
    caller = _caller.get()
    return caller if isinstance(caller, str) else get_token() if caller is None else None


def bars() -> AbstractContextManager[object]:
    """Inside, the client shows its progress bars unless bars are off."""
    return disable_progress_bars() if is_quiet() else nullcontext()


def ask(act: Callable[[], R], ref: str, repo_type: RepoType = "model") -> R:
    """`act()`, tried again while the Hub does not answer; its errors become ours.

    Only for acts that may be repeated. `ref` is what the user calls the repository.
    Raises: as `translate`.
    """
    watch_pace()
    for pause in PATIENCE:
        try:
            with translate(ref, repo_type):
                return act()
        except HubUnavailableError as error:
            if not (isinstance(error.__cause__, Exception) and is_transient(error.__cause__)):
                raise
            time.sleep(pause)
    with translate(ref, repo_type):
        return act()


@contextmanager
def translate(ref: str, repo_type: RepoType = "model") -> Iterator[None]:
    """Turn what the client raises inside into hubmerge's errors about the repository `ref`.

    Raises: NotFoundError, AccessError, HubUnavailableError, ConflictError, RecipeError,
    ResourceError (disk full).
    """
    try:
        yield
    except HubmergeError:
        raise
    except (
        HTTPError,
        EntryNotFoundError,
        HFValidationError,
        OSError,
        RuntimeError,
        UnicodeEncodeError,
    ) as error:
        cause = _of_client(error)
        ours = None if cause is None else _translated(cause, ref, repo_type)
        if ours is None:
            raise
        raise ours from cause


def _of_client(error: Exception) -> Exception | None:
    """What went wrong, where the client says it by a plain RuntimeError: it wraps what became of
    the upload of a file by one, and hf_xet raises them for answers of its server. None for a
    RuntimeError of another class.
    """
    if not isinstance(error, RuntimeError):
        return error
    if isinstance(error.__cause__, HTTPError | OSError):
        return error.__cause__
    return error if type(error) is RuntimeError else None


def is_transient(error: BaseException) -> bool:
    """Whether trying again may help: no answer, a broken answer, or a server in trouble."""
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return is_transient(error.__cause__)
    if isinstance(error, OfflineModeIsEnabled):
        return False
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status in (408, 429) or (status >= 500 and status != NO_SPACE)
    broken = isinstance(error, OSError) and "Consistency check failed" in str(error)
    return broken or isinstance(error, HTTPError | FileMetadataError | ConnectionError)


def _translated(error: Exception, ref: str, repo_type: RepoType) -> HubmergeError | None:
    """Our error for the client's; None for one that has nothing to do with the Hub.

    The order matters: GatedRepoError is a RepositoryNotFoundError, and LocalEntryNotFoundError,
    an EntryNotFoundError, hides the reason why the Hub was not asked.
    """
    name = NAMES[repo_type]
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _translated(error.__cause__, ref, repo_type)
    if isinstance(error, GatedRepoError):
        return AccessError(
            f"{name} {ref} is gated: its owners decide who may download it",
            hint=f"{action('sign in')}, ask for access at {endpoint()}/"
            f"{'datasets/' if repo_type == 'dataset' else ''}{ref.partition('@')[0]} and try "
            "again once it is granted",
        )
    if isinstance(error, RepositoryNotFoundError):
        return _missing(ref, name)
    if isinstance(error, RevisionNotFoundError):
        return NotFoundError(
            f"{name} {ref} has no such revision",
            source=endpoint(),
            hint="name a branch, a tag or a commit of it; without @revision it is the main branch",
        )
    if isinstance(error, DisabledRepoError):
        return AccessError(f"the Hub has disabled {name} {ref}", source=endpoint())
    if is_transient(error) or isinstance(error, OfflineModeIsEnabled | LocalEntryNotFoundError):
        return _unavailable(error, ref)
    if isinstance(error, EntryNotFoundError):
        return NotFoundError(f"{name} {ref} lacks a file", found=_first_line(error))
    if isinstance(error, HfHubHTTPError):
        return _refused(error, ref, name)
    if isinstance(error, RuntimeError):
        return _unavailable(error, ref)
    if isinstance(error, UnicodeEncodeError):
        return AccessError(
            "the token, or another header of requests, holds letters that none has",
            found="letters that are not ASCII",
            hint=action("sign in again"),
        )
    if isinstance(error, HFValidationError):
        said = _first_line(error).replace(repr(ref), "it")
        return RecipeError(f"{quoted(ref)} is no name of a {name}", found=said[:200])
    return system_error(error)


def _missing(ref: str, name: str) -> HubmergeError:
    if signed_in():
        return NotFoundError(
            f"there is no {name} {ref} that your token may see",
            found="missing, or private to another account",
            source=endpoint(),
            hint=f"check the spelling; {action('whose token')}",
        )
    return NotFoundError(
        f"there is no {name} {ref} that can be seen without signing in",
        found="missing, or private",
        source=endpoint(),
        hint=f"check the spelling; if it is private: {action('sign in')}",
    )


def _unavailable(error: Exception, ref: str) -> HubmergeError:
    if isinstance(error, OfflineModeIsEnabled):
        hint = "HF_HUB_OFFLINE is set: unset it, or give a local folder"
    else:
        hint = f"{action('ask again')}: finished files are kept"
    return HubUnavailableError(
        f"the Hub did not answer about {ref}",
        found=f"{type(error).__name__}: {_first_line(error)}",
        source=endpoint(),
        hint=hint,
    )


def _refused(error: HfHubHTTPError, ref: str, name: str) -> HubmergeError:
    status, said = error.response.status_code, error.server_message or _first_line(error)
    if status == 401:
        return AccessError(
            "the Hub does not accept the token",
            found=said,
            source=endpoint(),
            hint=action("sign in again"),
        )
    if status in (402, 403):
        return AccessError(
            f"the Hub does not let this token do that with {name} {ref}",
            found=said,
            source=endpoint(),
            hint="use a token with the write role of a member of that account",
        )
    if status == NO_SPACE:
        return ResourceError(
            f"the Hub has no space left for {name} {ref}",
            found=said,
            source=endpoint(),
            hint=f"once there is room, {action('ask again')}: finished files are kept",
        )
    if status in (409, 412):
        return ConflictError(
            f"{name} {ref} changed while this was being published",
            found=said,
            source=endpoint(),
            hint="look at what was changed there, then publish again",
        )
    return RecipeError(
        f"the Hub refused a request about {name} {ref}",
        found=f"status {status}: {said}",
        source=endpoint(),
    )


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
