"""Stages of a recipe: merges whose results later ones name like models."""

from __future__ import annotations

import re
from collections.abc import Mapping

from hubmerge.errors.wording import leave_out
from hubmerge.recipe.fields import RecipeFields
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.problems import Contradiction
from hubmerge.utils.suggestions import did_you_mean

STAGES = "stages"
MOST_STAGES = 64
NAME = re.compile(r"[A-Za-z0-9_][\w.-]{0,63}(/[A-Za-z0-9_][\w.-]{0,63})*", re.ASCII)

FIELDS = frozenset(
    {
        *("models", "base", "match", "symmetry", "multi_match", "fuse", "fuse_options"),
        *("lam", "weights", "only", "keep", "repair", "seed", "dtype", "layers"),
        *("tokenizer", "tokens", "chat_template", "effort", "trials"),
    }
)
"""What a stage may say. What is measured, and where code may run, is said once, for the merge."""


def check_stages(stages: Mapping[str, RecipeFields], last: RecipeFields) -> None:
    """Raises: Contradiction, if stages are too many, say what is none of theirs, name a later one,
    or have a result that nothing takes."""
    if len(stages) > MOST_STAGES:
        raise Contradiction(f"{len(stages)} stages, at most {MOST_STAGES}", STAGES)
    used = {base for ref in model_refs(last) for base in [parse_model_ref(ref).base]}
    for number, (name, stage) in enumerate(stages.items()):
        if not NAME.fullmatch(name):
            raise Contradiction(
                f"{name!r} is no name of a stage: letters, digits, -, _, . and /", STAGES
            )
        if others := sorted(stage.model_fields_set - FIELDS):
            raise Contradiction(
                f"stage {name!r}: {', '.join(map(leave_out, others))}: it is said of the last "
                "merge alone",
                STAGES,
            )
        later = [*stages][number:]
        for ref in model_refs(stage):
            base = parse_model_ref(ref).base
            used.add(base)
            if base in later:
                raise Contradiction(
                    f"stage {name!r} names {base!r}, which is made "
                    + ("by itself" if base == name else "after it"),
                    STAGES,
                )
    for name in stages:
        if name not in used:
            near = did_you_mean(name, used)
            raise Contradiction(
                f"nothing is made of stage {name!r}" + (f": {near}" if near else ""), STAGES
            )


def model_refs(recipe: RecipeFields) -> list[str]:
    """How a merge writes its models, and its base."""
    return [*recipe.models] if recipe.base is None else [*recipe.models, recipe.base]


def stage_role(stage: str, role: str) -> str:
    """Role of what a stage is made of: "first/model_a"."""
    return f"{stage}/{role}"


def role_in_stage(role: str) -> tuple[str | None, str]:
    """The stage of a role, None outside stages, and the role in it."""
    stage, _, own = role.rpartition("/")
    return stage or None, own
