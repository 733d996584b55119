"""What a published merge says it was made from, and the recipes that make it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hubmerge.evaluation.harness.run import is_installed
from hubmerge.fuse import find_fusion
from hubmerge.matching.alignment_files import FOLDER
from hubmerge.matching.match_files import TENSORS
from hubmerge.recipe import (
    BASE,
    DATASET,
    MIDDLE,
    Recipe,
    adapter_role,
    refs_of,
    stage_role,
    with_refs,
)
from hubmerge.reporting.schema.method import StageRecord
from hubmerge.reporting.schema.parents import AdapterRecord, ParentRecord
from hubmerge.reporting.schema.report import DataRecord, Report
from hubmerge.utils.parent_names import roles
from hubmerge.utils.pinned_refs import is_pinned
from hubmerge.verification.result import Check, Outcome

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of what the repair "batchnorm" measures on data."""


def check_sources(recipe: Recipe, report: Report) -> list[Check]:
    """Whether recipe and report name the same parents and data set, each at one state for good."""
    said, found = refs_of_report(report), refs_of(recipe)
    return [
        Check(
            part="recipe",
            what=role,
            outcome=Outcome.DOES_NOT_HOLD if why else Outcome.IDENTICAL,
            said=said.get(role),
            found=found.get(role),
            why=why,
        )
        for role in {**said, **found}
        for why in [_why_not(said.get(role), found.get(role))]
    ]


def check_said_twice(recipe: Recipe, report: Report) -> list[Check]:
    """Whether recipe and report name the same benchmarks and the same version of the arithmetic,
    which a merge that is made again takes from the report.
    """
    ran = sorted({each.given for each in report.benchmarks or ()})
    asked = sorted({_as_ran(name, ran) for name in recipe.eval})
    said: dict[str, tuple[object, object]] = {"eval": (ran, asked)}
    if recipe.arithmetic is not None:
        said["arithmetic"] = (report.run.arithmetic, recipe.arithmetic)
    return [
        Check(
            part="recipe",
            what=name,
            outcome=Outcome.IDENTICAL if left == right else Outcome.DOES_NOT_HOLD,
            said=left,
            found=right,
            why=None if left == right else "the recipe names another",
        )
        for name, (left, right) in said.items()
    ]


def _as_ran(name: str, ran: list[str]) -> str:
    """What a recipe calls a benchmark, as the report does: a data set at the commit it was run at,
    unless the recipe names a commit itself.
    """
    if "/" not in name or is_pinned(name):
        return name
    return next((each for each in ran if each.partition("@")[0] == name.partition("@")[0]), name)


def refs_of_report(report: Report) -> dict[str, str]:
    """Role -> what the report says it was: a repository at a commit, or a folder's content."""
    return {role: f"{source.id}@{source.sha}" for role, source in _sources(report).items()}


def roles_in_memory(report: Report) -> set[str]:
    """Roles of what was neither a repository nor a folder when the merge was made."""
    return {role for role, source in _sources(report).items() if source.kind == "memory"}


def _sources(report: Report) -> dict[str, ParentRecord | AdapterRecord | DataRecord]:
    named: dict[str, ParentRecord | AdapterRecord | DataRecord] = {**_models(report)}
    if report.data is not None:
        named[DATASET] = report.data
    for stage in report.stages or ():
        named |= {stage_role(stage.name, role): each for role, each in _models(stage).items()}
    return named


def _models(made: Report | StageRecord) -> dict[str, ParentRecord | AdapterRecord]:
    """Role -> a model or an adapter of one merge; what stages made is none that it was made of."""
    models = dict(zip(roles("model", len(made.models)), made.models, strict=True))
    if made.base is not None:
        models[BASE] = made.base
    found: dict[str, ParentRecord | AdapterRecord] = {
        role: model for role, model in models.items() if model.kind != "stage"
    }
    for role, model in models.items():
        for number, adapter in enumerate(model.adapters or ()):
            found[adapter_role(role, number)] = adapter
    return found


def _why_not(said: str | None, found: str | None) -> str | None:
    if said != found:
        return "the recipe names another"
    if not is_pinned(said or ""):
        return "it is neither a repository at a commit nor the content of a folder"
    return None


def recorded(
    recipe: Recipe, report: Report, folder: Path, *, trust_remote_code: bool
) -> Recipe | None:
    """The recipe with every source as the report records it, its alignment in `folder`.

    Nothing that the recipe says of places is in it, and code that models bring along runs only if
    the verifying user allows it. None, if recipe and report are not of one merge, or a source is at
    no state.
    """
    refs = refs_of_report(report)
    if refs.keys() != refs_of(recipe).keys() or not all(map(is_pinned, refs.values())):
        return None
    update: dict[str, object] = {
        "trust_remote_code": trust_remote_code,
        "shas": {},
        "memory": None,  # which, as the device, is the verifying user's to choose
        "device": None,
        "eval": tuple(
            dict.fromkeys(
                each.given
                for each in report.benchmarks or ()
                if each.harness is None or is_installed()
            )
        ),
    }
    if recipe.alignment:
        update["alignment"] = str(folder / Path(recipe.alignment).name)
    return with_refs(recipe, refs).model_copy(update=update)


@dataclass(frozen=True)
class Replay:
    """A way to make weights again without data: by the alignment that lies beside them."""

    recipe: Recipe
    statistics_unknown: bool
    """Whether statistics of batch norms are left out: they are measured on data."""

    def unknown(self, name: str) -> bool:
        """Whether the tensor of that name cannot be made without data."""
        return self.statistics_unknown and name.rpartition(".")[2] in STATISTICS


def replay(recipe: Recipe, report: Report, folder: Path) -> Replay | str:
    """How to make the weights of a merge that saw data again without any; or why that cannot be.

    Fusing the aligned parents by what looks at no rows needs none; finding the alignment, choosing
    lambda or the fusion, and repairing did.
    """
    method = report.method
    if find_fusion(method.fuse).needs_data:
        return f"fusing by {method.fuse} takes the data set"
    if method.refine is not None:
        return "refining takes the data set"
    if method.repair not in ("none", "batchnorm"):
        return f"repair {method.repair} takes the data set"
    alignment = None
    if method.match != "none":
        alignment = folder / (FOLDER if len(recipe.models) > 2 or recipe.base else TENSORS)
        if not alignment.exists():
            return "there is no alignment beside the weights, and to find one takes the data set"
    update: Mapping[str, object] = {
        "match": "none" if alignment is None else "auto",
        "alignment": None if alignment is None else str(alignment),
        "repair": "none",
        "fuse": method.fuse,
        "refine": "none",
        "refine_steps": None,
        "trials": None,
        "fuse_options": in_order_of(recipe.fuse_options, method.fuse_options or {}),
        "lam": MIDDLE if method.lam is None else method.lam,
        "dataset": None,
        "samples": None,
        "calibration_samples": None,
        "train_samples": None,
        "survey": (),
        "eval": (),
        "learning_steps": None,
    }
    return Replay(recipe.model_copy(update=update), method.repair == "batchnorm")


def in_order_of(given: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that a report has in the order of their names, in the order they were given."""
    return {**{name: options[name] for name in given if name in options}, **options}
