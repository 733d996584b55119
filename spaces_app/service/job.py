"""A job: one recipe of one person, from the queue to its end. No token is in it."""

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
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    STOPPED = "stopped"


ENDED = frozenset({State.DONE, State.FAILED, State.STOPPED})


class Refusal(BaseModel):
    """Why something did not come about, as an error of hubmerge's says it.

    Its texts may mention options and actions, which whoever shows them words.
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
    """A refusal on its way to a person."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.worded(PYTHON).what)
        self.refusal = refusal


@contextmanager
def refusing() -> Iterator[None]:
    """hubmerge's errors inside become refusals."""
    try:
        yield
    except HubmergeError as error:
        raise Refused(Refusal.of(error)) from error


class Job(BaseModel):
    """What is remembered of a job, also over a restart.

    id: unguessable; who knows it may look, unless the job is private. owner: a person's key.
    recipe: YAML. plan: what was known before. private: it was made with its owner's token.
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
    """Stage -> wall time, of a job that is done."""

    def read(self) -> Recipe:
        """What it carries out."""
        return Recipe.model_validate(yaml.safe_load(self.recipe))

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in ENDED

    def begun(self) -> Job:
        """It is being worked on now."""
        return self.model_copy(update={"state": State.RUNNING, "started": time.time()})

    def again(self) -> Job:
        """Back in the queue, in its old place."""
        return self.model_copy(
            update={"state": State.WAITING, "started": None, "ended": None, "refusal": None}
        )

    def finished(self, seconds: dict[str, float]) -> Job:
        """It stands."""
        return self._ended(State.DONE, seconds=seconds)

    def failed(self, refusal: Refusal) -> Job:
        """It did not come about."""
        return self._ended(State.FAILED, refusal=refusal)

    def stopped(self) -> Job:
        """Its owner stopped it."""
        return self._ended(State.STOPPED)

    def _ended(self, state: State, **more: Any) -> Job:
        return self.model_copy(update={"state": state, "ended": time.time(), **more})
