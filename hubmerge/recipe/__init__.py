"""A recipe: everything that decides the bytes of a merge, as one object and one YAML file."""

from hubmerge.recipe.data import DataRecipe
from hubmerge.recipe.effort import (
    BEST,
    QUICK,
    STANDARD,
    EffortName,
    Trials,
)
from hubmerge.recipe.part import RecipePart, make
from hubmerge.recipe.read import read_recipe, recipe_from, recipe_in
from hubmerge.recipe.recipe import Recipe, make_recipe
from hubmerge.recipe.refs import adapter_role, models_of, refs_of, with_refs
from hubmerge.recipe.stages import role_in_stage, stage_role
from hubmerge.recipe.tokens import TokenRow
from hubmerge.recipe.trials import counts_of, leaves_out_refinement, trials_of
from hubmerge.recipe.words import (
    ARITHMETIC,
    AUTO,
    BASE,
    CONCAT,
    DATASET,
    DEEPEST,
    JOIN,
    MIDDLE,
    NO_PATH,
    NO_REFINEMENT,
    PASSTHROUGH,
    RECIPE_BYTES,
    RECIPE_FILE,
    REFINE_STEPS,
    SAME,
    UNION,
    WITH_BASE,
    HeadKind,
    JointHeadKind,
    SurveyName,
    bytes_of,
)

__all__ = [
    "ARITHMETIC",
    "AUTO",
    "BASE",
    "BEST",
    "CONCAT",
    "DATASET",
    "DEEPEST",
    "JOIN",
    "MIDDLE",
    "NO_PATH",
    "NO_REFINEMENT",
    "PASSTHROUGH",
    "QUICK",
    "RECIPE_BYTES",
    "RECIPE_FILE",
    "REFINE_STEPS",
    "SAME",
    "STANDARD",
    "UNION",
    "WITH_BASE",
    "DataRecipe",
    "EffortName",
    "HeadKind",
    "JointHeadKind",
    "Recipe",
    "RecipePart",
    "SurveyName",
    "TokenRow",
    "Trials",
    "adapter_role",
    "bytes_of",
    "counts_of",
    "leaves_out_refinement",
    "make",
    "make_recipe",
    "models_of",
    "read_recipe",
    "recipe_from",
    "recipe_in",
    "refs_of",
    "role_in_stage",
    "stage_role",
    "trials_of",
    "with_refs",
]
