"""Examples with finished results: merges of this very app, kept as long as the app has them.

The result of an example is the newest finished merge by its recipe, by any visitor.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from hubmerge.recipe import Recipe
from spaces_app.service.job import Job, Refused, State
from spaces_app.service.jobs import JobService
from spaces_app.service.log import log
from spaces_app.service.visitors import APP


class Examples:
    """The results of some recipes."""

    def __init__(self, jobs: JobService, recipes: Sequence[Recipe]) -> None:
        self._jobs, self._recipes = jobs, [recipe.to_yaml() for recipe in recipes]
        jobs.keep(self._recipes)

    def newest(self) -> list[Job | None]:
        """Of every recipe its finished merge, else one that waits or runs, else None."""
        return [self._jobs.newest(recipe) for recipe in self._recipes]

    def make_missing(self) -> threading.Thread:
        """Queue the merges that have no result, in the background."""
        thread = threading.Thread(target=self._make_missing, name="examples", daemon=True)
        thread.start()
        return thread

    def _make_missing(self) -> None:
        for job, recipe in zip(self.newest(), self._recipes, strict=True):
            if job is None or job.state is not State.DONE:
                try:
                    self._jobs.submit(APP, Job.recipe_in(recipe))
                except Refused as refused:
                    log("example_refused", why=refused.refusal.what)
