"""What is to be carried out in a job: the order, all that it reads, and how much work it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import hubmerge
from hubmerge.errors import HubmergeError, RecipeError
from hubmerge.errors.wording import add, option
from hubmerge.hub.destination import Destination
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.source import Source, resolve
from hubmerge.jobs.estimate import Work, work_of
from hubmerge.jobs.home import Wheel, home_of, own_wheel
from hubmerge.jobs.order import Order, to_publish
from hubmerge.pipeline.context import Run
from hubmerge.pipeline.existing import identity
from hubmerge.pipeline.plan import plan_of
from hubmerge.pipeline.resolve import resolve as resolve_recipe
from hubmerge.planning.plan import Plan
from hubmerge.planning.resources import WORKING
from hubmerge.recipe import QUICK, RECIPE_FILE, Recipe, read_recipe

LOADED = 4
"""Copies in float32 of a model that is verified without being made again."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A job that may be started.

    Parameters:
        what: as a person reads it.
        recipe: the text of the recipe, its sources at their commits; None for none.
        planned: how much work it is, and the plan of a merge; raises what would stop it.
    """

    what: str
    order: Order
    wheel: Wheel
    recipe: str | None
    sources: tuple[Source, ...]
    planned: Callable[[], tuple[Work, Plan | None]]


@dataclass(frozen=True)
class Asking:
    """Who asks, and how it is to be printed."""

    account: str
    json_output: bool = False


def run_elsewhere(recipe: Recipe, destination: Destination) -> Run:
    """The merge that a job is to make, resolved; its result is the repository it is pushed to.

    Raises: RecipeError, without a repository, with a folder, or where the recipe names places of
    this machine; and as `resolve`.
    """
    if destination.push is None:
        raise RecipeError(
            "the result of a job is a repository, and none is named", hint=add("push"), field="push"
        )
    if destination.out is not None:
        raise RecipeError(
            f"{option('out', str(destination.out))} is a folder of this machine",
            hint="the result of a job is the repository that it is pushed to",
            field="out",
        )
    return _resolved(recipe, destination)


def to_merge(run: Run, asking: Asking) -> Request:
    """The job of a merge."""
    return _with_recipe(run, asking, "merge", to_publish(run.destination))


def to_match(recipe: Recipe, asking: Asking) -> Request:
    """The job of a match. Raises: RecipeError, for places of this machine; and as `resolve`."""
    run = _resolved(recipe.replace(effort=QUICK, trials=None), Destination())
    return _with_recipe(run, asking, "match", {})


def to_verify(merge: str, asking: Asking, **how: object) -> Request:
    """The job of a verification. how: level, weights_only and trust_remote_code of an `Order`.

    Raises: RecipeError for a folder; NotFoundError, AccessError, HubUnavailableError.
    """
    source = resolve(merge)
    if source.folder is not None:
        raise _on_this_machine(merge)
    wheel = own_wheel()
    fields = {"merge": f"{source.id}@{source.sha}", **how}
    order = _order("verify", wheel, asking, fields)
    return Request(
        what=f"verify {source.id}",
        order=order,
        wheel=wheel,
        recipe=None,
        sources=(),
        planned=lambda: (_work_of_verifying(source, order), None),
    )


def _resolved(recipe: Recipe, destination: Destination) -> Run:
    """The run, all of which can be reached from elsewhere. Raises: RecipeError."""
    if recipe.alignment is not None:
        raise _on_this_machine(recipe.alignment)
    run = resolve_recipe(recipe, destination)
    for source in _all(run.sources.by_role().values()):
        if source.folder is not None:
            raise _on_this_machine(source.ref)
    return run


def _all(sources: Iterable[Source]) -> list[Source]:
    return [each for source in sources for each in source.made_of]


def _planned(run: Run) -> tuple[Work, Plan]:
    plan = plan_of(run, here=False)
    return work_of(plan, run.recipe), plan


def _with_recipe(
    run: Run, asking: Asking, command: str, fields: dict[str, str | bool | None]
) -> Request:
    wheel, trust = own_wheel(), run.recipe.trust_remote_code
    known = {"recipe": identity(run.written), "trust_remote_code": trust, **fields}
    return Request(
        what=f"{command} {' and '.join(source.id for source in run.sources.models)}",
        order=_order(command, wheel, asking, known),
        wheel=wheel,
        recipe=run.written.to_yaml(),
        sources=tuple(run.sources.by_role().values()),
        planned=partial(_planned, run),
    )


def _order(command: str, wheel: Wheel, asking: Asking, fields: dict[str, object] | dict) -> Order:
    return Order(
        command=command,  # type: ignore[arg-type]  # one of its words
        hubmerge=hubmerge.__version__,
        wheel=wheel.sha256,
        home=home_of(asking.account),
        json_output=asking.json_output,
        **fields,
    )


def _work_of_verifying(source: Source, order: Order) -> Work:
    """That of making it again, where it is made again and its sources are there."""
    stored = sum(n for name, n in file_sizes(source).items() if name.endswith(".safetensors"))
    loading = Work(
        memory=WORKING + LOADED * 2 * stored, disk=2 * stored, moved=4 * stored, alone=60.0
    )
    if order.level in ("load", "measure"):
        return loading
    try:
        folder = fetch_file(source, RECIPE_FILE).parent
        recipe = read_recipe(folder, trust_remote_code=order.trust_remote_code)
        making = work_of(plan_of(resolve_recipe(recipe), here=False), recipe)
    except HubmergeError:  # which the verification reports
        return loading
    return Work(
        memory=making.memory + loading.memory,
        disk=making.disk + loading.disk,
        moved=making.moved + loading.moved,
        alone=2 * making.alone + loading.alone,
    )


def _on_this_machine(place: str) -> RecipeError:
    return RecipeError(
        f"{place!r} lies on this machine, where no job can read it",
        hint="push it to the Hub, and name its repository",
        field="on",
    )
