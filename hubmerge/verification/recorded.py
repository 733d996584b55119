"""What a published merge says it was made from, and the recipes that make it again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hubmerge.fuse import find_fusion
from hubmerge.matching.alignment_files import FOLDER
from hubmerge.matching.match_files import TENSORS
from hubmerge.pipeline.sources import BASE, DATASET
from hubmerge.recipe import MIDDLE, Recipe
from hubmerge.reporting.schema.report import DataRecord, ParentRecord, Report
from hubmerge.utils.parent_names import roles
from hubmerge.verification.result import Check, Outcome

STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
"""Last parts of the names of what the repair "batchnorm" measures on data."""


def check_sources(recipe: Recipe, report: Report) -> list[Check]:
    """Whether recipe and report name the same parents and data set, at the same commits."""
    said, found = _in_report(report), _in_recipe(recipe)
    return [
        Check(
            part="recipe",
            what=role,
            outcome=Outcome.IDENTICAL
            if said.get(role) == found.get(role)
            else Outcome.DOES_NOT_HOLD,
            said=said.get(role),
            found=found.get(role),
            why=None if said.get(role) == found.get(role) else "the recipe names another",
        )
        for role in {**said, **found}
    ]


def _in_report(report: Report) -> dict[str, str]:
    """Role -> what it was, in the words of a published recipe."""
    named: dict[str, ParentRecord | DataRecord] = dict(
        zip(roles("model", len(report.models)), report.models, strict=True)
    )
    if report.base is not None:
        named[BASE] = report.base
    if report.data is not None:
        named[DATASET] = report.data
    return {role: f"{source.id}@{source.sha}" for role, source in named.items()}


def _in_recipe(recipe: Recipe) -> dict[str, str]:
    refs = dict(zip(roles("model", len(recipe.models)), recipe.models, strict=True))
    if recipe.base is not None:
        refs[BASE] = recipe.base
    if recipe.dataset is not None:
        refs[DATASET] = recipe.dataset.id
    return {
        role: f"{Path(ref).name}@{recipe.shas[role]}" if role in recipe.shas else ref
        for role, ref in refs.items()
    }


def recorded(recipe: Recipe, report: Report, folder: Path, *, trust_remote_code: bool) -> Recipe:
    """The recipe with every source at the commit the report records, its alignment in `folder`.

    Code that models bring along runs only if the verifying user allows it.
    """
    pinned = _hub_sources(report)
    models = tuple(
        pinned.get(role, ref)
        for role, ref in zip(roles("model", len(recipe.models)), recipe.models, strict=True)
    )
    update: dict[str, object] = {"models": models, "trust_remote_code": trust_remote_code}
    if recipe.base is not None:
        update["base"] = pinned.get(BASE, recipe.base)
    if recipe.dataset is not None and DATASET in pinned:
        update["dataset"] = recipe.dataset.model_copy(update={"id": pinned[DATASET]})
    if recipe.alignment:
        update["alignment"] = str(folder / Path(recipe.alignment).name)
    return recipe.model_copy(update=update)


def _hub_sources(report: Report) -> dict[str, str]:
    """Role -> id@commit of what lies on the Hub."""
    named: dict[str, ParentRecord | DataRecord | None] = dict(
        zip(roles("model", len(report.models)), report.models, strict=True)
    )
    named |= {BASE: report.base, DATASET: report.data}
    return {
        role: f"{source.id}@{source.sha}"
        for role, source in named.items()
        if source is not None and source.kind == "hub"
    }


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
    if method.repair not in ("none", "batchnorm"):
        return f"repair {method.repair} takes the data set"
    alignment = None
    if method.match != "none":
        alignment = folder / (FOLDER if len(recipe.models) > 2 or recipe.base else TENSORS)
        if not alignment.exists():
            return "there is no alignment beside the weights, and to find one takes the data set"
    update = {
        "match": "none" if alignment is None else "auto",
        "alignment": None if alignment is None else str(alignment),
        "repair": "none",
        "fuse": method.fuse,
        "fuse_options": method.fuse_options or {},
        "lam": MIDDLE if method.lam is None else method.lam,
        "dataset": None,
        "samples": None,
        "calibration_samples": None,
        "train_samples": None,
        "survey": (),
        "learning_steps": None,
        "shas": {role: sha for role, sha in recipe.shas.items() if role != DATASET},
    }
    return Replay(recipe.model_copy(update=update), method.repair == "batchnorm")
