"""The fields of a recipe, a file per topic: each option is declared here, once."""

from hubmerge.recipe.fields.fusing import FuseFields
from hubmerge.recipe.fields.improving import ImproveFields
from hubmerge.recipe.fields.machine import MachineFields
from hubmerge.recipe.fields.matching import MatchFields
from hubmerge.recipe.fields.measuring import MeasureFields
from hubmerge.recipe.fields.parents import ParentFields
from hubmerge.recipe.fields.reproducing import ReproduceFields
from hubmerge.recipe.fields.request import RequestFields
from hubmerge.recipe.fields.storing import StoreFields
from hubmerge.recipe.fields.vocabulary import VocabularyFields


class RecipeFields(
    # The last first: so pydantic lists them.
    ReproduceFields,
    MachineFields,
    StoreFields,
    VocabularyFields,
    ParentFields,
    MeasureFields,
    ImproveFields,
    FuseFields,
    MatchFields,
    RequestFields,
):
    """What a recipe holds, before it is checked for contradictions."""
