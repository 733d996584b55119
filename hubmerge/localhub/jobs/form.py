"""Which requests are jobs of hubmerge's: one form of command, and an order that can be checked.

    uv run --with "hubmerge @ file:///hubmerge/job/wheels/HASH/NAME.whl#sha256=HASH"
        [--with LIBRARY==VERSION ...] hubmerge job /hubmerge/job/jobs/KEY

Its first volume is a private data set of the caller's at a commit, which holds the wheel and
`jobs/KEY/job.json`; the others are repositories at commits, in the job's cache. Everything else
is refused.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubmerge.localhub import limits
from hubmerge.localhub.jobs.hardware import FLAVORS
from hubmerge.localhub.names import RepoKey, is_commit, repo_key
from hubmerge.localhub.plain import parse
from hubmerge.localhub.refusal import Refusal

HOME = "/hubmerge/job"
"""Where the data set with wheel and order lies in a job."""
CACHE = "/hubmerge/cache"
"""Where the client's cache lies in a job."""
TOKEN = "HF_TOKEN"
ORDER, RECIPE = "job.json", "hubmerge.yaml"
COMMANDS = ("merge", "match", "verify")

_WHEEL = re.compile(
    rf"hubmerge @ file://{HOME}/(wheels/([0-9a-f]{{64}})/hubmerge-[0-9A-Za-z.+]+-py3-none-any\.whl)"
    r"#sha256=([0-9a-f]{64})"
)
_LIBRARY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}==[0-9][0-9A-Za-z.+!-]{0,40}")
_PLACE = re.compile(rf"{HOME}/(jobs/[0-9a-f]{{32}})")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,100}")
_WITH = "--" + "with"


@dataclass(frozen=True, kw_only=True)
class Mounted:
    """A repository at a commit, and where a job finds it."""

    key: RepoKey
    commit: str
    at: str


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request that is a job of hubmerge's, as far as the request itself shows.

    Parameters:
        place: the order's folder in the first volume.
        wheel, sha256: the wheel's path in the first volume, and what it has to be.
        seconds: after which it is ended.
        token: the caller's own.
    """

    command: tuple[str, ...]
    place: str
    wheel: str
    sha256: str
    volumes: tuple[Mounted, ...]
    flavor: str
    seconds: int
    environment: Mapping[str, str]
    labels: Mapping[str, str]
    token: str = field(repr=False)


def read_job(asked: Mapping[str, Any], *, token: str, url: str) -> Job:
    """The job that a request asks for. Raises: Refusal (400), for whatever else it is.

    token: the caller's. url: this Hub's address, the only one that a job may be sent to.
    """
    command = asked.get("command")
    if not _texts(command) or asked.get("arguments"):
        raise _no_job("it has no command of words")
    assert isinstance(command, list)
    wheel, place = _command(command)
    secrets = asked.get("secrets")
    if not isinstance(secrets, dict) or set(secrets) != {TOKEN} or not _texts([*secrets.values()]):
        raise _no_job(f"its only secret is {TOKEN}")
    if not hmac.compare_digest(secrets[TOKEN].encode(), token.encode()):
        raise _no_job(f"{TOKEN} is not the token that asks")
    seconds = asked.get("timeoutSeconds")
    if not isinstance(seconds, int) or not 0 < seconds <= limits.JOB_SECONDS:
        raise _no_job(f"it needs a time limit of at most {limits.JOB_SECONDS:,} seconds")
    if asked.get("flavor") not in FLAVORS:
        raise _no_job(f"its flavor is one of {', '.join(sorted(FLAVORS))}")
    if strange := set(asked) - _FIELDS:
        raise _no_job(f"unknown here: {', '.join(sorted(strange))[:200]}")
    return Job(
        command=tuple(command),
        place=place,
        wheel=wheel[1],
        sha256=wheel[2],
        volumes=_volumes(asked.get("volumes")),
        flavor=asked["flavor"],
        seconds=seconds,
        environment=_environment(asked.get("environment") or {}, url),
        labels=_labels(asked.get("labels") or {}),
        token=token,
    )


_FIELDS = {
    *("command", "arguments", "environment", "secrets", "flavor", "timeoutSeconds"),
    *("labels", "volumes", "dockerImage"),
}


def check_order(content: bytes) -> None:
    """Refuses (400) an order that is none of hubmerge's, or that would run others' code."""
    order = parse(content)
    if not isinstance(order, dict) or order.get("command") not in COMMANDS:
        raise _no_job(f"{ORDER} names none of {', '.join(COMMANDS)}")
    if order.get("trust_remote_code") is not False:
        raise _no_job("code that comes with models is not run here")


def _command(command: Sequence[str]) -> tuple[re.Match[str], str]:
    """The wheel and the place of the order in a command of the one form."""
    start, rest = list(command[:2]), list(command[2:])
    wheel = _WHEEL.fullmatch(rest[1]) if len(rest) > 1 and rest[0] == _WITH else None
    if start != ["uv", "run"] or wheel is None or wheel[2] != wheel[3]:
        raise _no_job("it begins with another command than a pinned hubmerge's")
    rest = rest[2:]
    while len(rest) > 1 and rest[0] == _WITH and _LIBRARY.fullmatch(rest[1]):
        rest = rest[2:]
    place = _PLACE.fullmatch(rest[2]) if len(rest) == 3 else None
    if rest[:2] != ["hubmerge", "job"] or place is None:
        raise _no_job("it is another command than hubmerge's own")
    return wheel, place[1]


def _volumes(given: Any) -> tuple[Mounted, ...]:
    """The repositories; the first of them holds the order."""
    if not isinstance(given, list) or not 0 < len(given) <= limits.JOB_VOLUMES:
        raise _no_job(f"it has between 1 and {limits.JOB_VOLUMES} volumes")
    found = tuple(_volume(each, first=not number) for number, each in enumerate(given))
    if len({each.at for each in found}) < len(found):
        raise _no_job("two volumes are in one place")
    return found


def _volume(given: Any, *, first: bool) -> Mounted:
    fields = given if isinstance(given, dict) else {}
    kind, source, commit = (fields.get(name) for name in ("type", "source", "revision"))
    namespace, _, name = source.partition("/") if isinstance(source, str) else ("", "", "")
    key = repo_key(f"{kind}s", namespace, name)
    known = {"type", "source", "revision", "readOnly", "mountPath"}
    if key is None or not isinstance(commit, str) or not is_commit(commit) or set(fields) - known:
        raise _no_job("a volume is a repository at a commit")
    cached = f"{CACHE}/{kind}s--{namespace}--{name}/snapshots/{commit}"
    if fields.get("mountPath") != (HOME if first else cached) or first != (
        fields["mountPath"] == HOME and kind == "dataset"
    ):
        raise _no_job(f"volumes are {HOME} and snapshots of {CACHE}")
    return Mounted(key=key, commit=commit, at=fields["mountPath"])


def _environment(given: Any, url: str) -> dict[str, str]:
    allowed = {"HF_ENDPOINT": url, "HF_HUB_CACHE": CACHE}
    if not isinstance(given, dict) or any(allowed.get(n) != v for n, v in given.items()):
        raise _no_job(f"its environment is {', '.join(allowed)} of this Hub")
    return dict(given)


def _labels(given: Any) -> dict[str, str]:
    words = [*given, *given.values()] if isinstance(given, dict) else [None]
    if len(words) > 20 or not all(isinstance(w, str) and _WORD.fullmatch(w) for w in words):
        raise _no_job("labels are at most 10 names with values")
    return dict(given)


def _texts(given: Any) -> bool:
    return (
        isinstance(given, list) and 0 < len(given) < 100 and all(isinstance(t, str) for t in given)
    )


def _no_job(why: str) -> Refusal:
    return Refusal(400, f"This Hub runs hubmerge's own jobs alone: {why}")
