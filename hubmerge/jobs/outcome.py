"""What a job leaves: its exit code, what it printed, and the error it ended with."""

from __future__ import annotations

from dataclasses import asdict

from pydantic import BaseModel, ConfigDict, ValidationError

from hubmerge import errors
from hubmerge.errors import (
    HubmergeError,
    JobError,
    ResourceError,
    UncheckedError,
    VerificationError,
)
from hubmerge.utils.untrusted import Unreadable, parse_json

OUTCOME = "outcome.json"
MOST = 30_000_000
"""Bytes of an outcome: reports and verifications are of this machine's own kind."""
CHECKED = (VerificationError.exit_code, UncheckedError.exit_code)
"""Exit codes of a verification that came to its end."""
KILLED = 137
"""Exit code of a process that the system ended, which it does for lack of memory."""
LEFT = "a job publishes its result whole or not at all, and leaves nothing else: "
LEFT += "the same command finds the result, or makes it"
"""What remains of a job that ended early, and how to go on."""
SAID = 20
"""Last lines of a job that an error quotes."""


class Failure(BaseModel):
    """An error of hubmerge's, on its way from a job: its class, and its message unworded."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    what: str
    found: str | None = None
    source: str | None = None
    hint: str | None = None
    field: str | None = None
    fields: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: HubmergeError) -> Failure:
        """The error as it is written down."""
        return cls(kind=type(error).__name__, **asdict(error.message))

    def error(self) -> HubmergeError:
        """The error again; one of a class that this version does not know is a `JobError`."""
        known = self.kind in errors.exit_codes()
        kind: type[HubmergeError] = getattr(errors, self.kind) if known else JobError
        said = self.model_dump(exclude={"kind", "what"})
        return kind(self.what, **said)


class Outcome(BaseModel):
    """How a command ended in a job. printed: its standard output."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    exit_code: int
    printed: str = ""
    failure: Failure | None = None


def read_outcome(text: str) -> Outcome | None:
    """The outcome in a file; None for what is none."""
    try:
        return Outcome.model_validate(parse_json(text))
    except (Unreadable, ValidationError):
        return None


def error_of(outcome: Outcome, job: str, lines: list[str]) -> HubmergeError | None:
    """The error that a job ended with, as the command would have raised it here; None without one.

    job: its address. lines: what it said last.
    """
    if outcome.failure is not None:
        return outcome.failure.error()
    if outcome.exit_code == KILLED:
        return without_memory(last(lines), job)
    if outcome.exit_code and outcome.exit_code not in CHECKED:
        return JobError(
            f"the job ended with exit code {outcome.exit_code}",
            found=last(lines),
            source=job,
            hint=LEFT,
        )
    return None


def without_memory(found: str | None, job: str) -> ResourceError:
    """The error for a job that had too little memory. found: what is known of it."""
    return ResourceError(
        "the job was ended for lack of memory",
        found=found,
        source=job,
        hint=f"a larger flavour; {LEFT}",
        field="on",
    )


def last(lines: list[str]) -> str | None:
    """The last lines of a job, for an error to quote."""
    return "\n".join(line for line in lines[-SAID:] if line.strip()) or None
