"""A job: one recipe of one visitor, from the queue to its end. No token is in it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from hubmerge.errors import HubmergeError
from hubmerge.errors.wording import PYTHON, Wording, render
from hubmerge.recipe import Recipe


class State(StrEnum):
    """State of a job."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


ENDED = frozenset({State.DONE, State.FAILED, State.STOPPED})


class Refusal(BaseModel):
    """An error as it is shown to a visitor and stored with a job.

    Its texts may contain references to options and actions, which `worded` resolves.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    what: str
    found: str | None = None
    hint: str | None = None
    field: str | None = None

    @classmethod
    def of(cls, error: HubmergeError) -> Refusal:
        """What an error says."""
        said = error.message
        return cls(
            kind=type(error).__name__,
            what=said.what,
            found=said.found,
            hint=said.hint,
            field=said.field,
        )

    def worded(self, wording: Wording) -> Refusal:
        """The same in the words of a face."""

        def said(text: str | None) -> str | None:
            return None if text is None else render(text, wording)

        texts = {"what": said(self.what), "found": said(self.found), "hint": said(self.hint)}
        return self.model_copy(update=texts)


class Refused(Exception):
    """Raised with the refusal to show."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.worded(PYTHON).what)
        self.refusal = refusal


@contextmanager
def refusing() -> Iterator[None]:
    """Convert errors of hubmerge raised in the block to `Refused`."""
    try:
        yield
    except HubmergeError as error:
        raise Refused(Refusal.of(error)) from error


class Job(BaseModel):
    """A job as it is stored on disk.

    id: random; it gives access to the job, unless the job is private. owner: a visitor's key.
    recipe: YAML. plan: the plan at submission. private: made with its owner's token.
    """

    model_config = ConfigDict(frozen=True)

    id: str = Field(default_factory=lambda: secrets.token_urlsafe(16))
    owner: str
    recipe: str
    plan: dict[str, Any]
    private: bool = False
    state: State = State.WAITING
    created: float = Field(default_factory=time.time)
    started: float | None = None
    ended: float | None = None
    refusal: Refusal | None = None
    seconds: dict[str, float] = Field(default_factory=dict)
    """Stage -> seconds, once the job is done."""

    def parsed_recipe(self) -> Recipe:
        """The recipe of this job."""
        return self.recipe_in(self.recipe)

    @staticmethod
    def recipe_in(text: str) -> Recipe:
        """The recipe that a job's text is."""
        return Recipe.model_validate(yaml.safe_load(text))

    @property
    def merged_seconds(self) -> float | None:
        """Seconds from its start to its end, once it is done."""
        if self.state is not State.DONE or self.started is None or self.ended is None:
            return None
        return self.ended - self.started

    @property
    def has_ended(self) -> bool:
        """Whether the job is done, failed or stopped."""
        return self.state in ENDED

    def as_running(self) -> Job:
        """The job, running from now on."""
        return self.model_copy(update={"state": State.RUNNING, "started": time.time()})

    def as_waiting(self) -> Job:
        """The job, back in its place in the queue."""
        return self.model_copy(
            update={"state": State.WAITING, "started": None, "ended": None, "refusal": None}
        )

    def as_done(self, seconds: dict[str, float]) -> Job:
        """The job, done."""
        return self._ended(State.DONE, seconds=seconds)

    def as_failed(self, refusal: Refusal) -> Job:
        """The job, failed."""
        return self._ended(State.FAILED, refusal=refusal)

    def as_stopped(self) -> Job:
        """The job, stopped by its owner."""
        return self._ended(State.STOPPED)

    def _ended(self, state: State, **more: Any) -> Job:
        return self.model_copy(update={"state": state, "ended": time.time(), **more})
