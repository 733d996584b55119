"""What `hubmerge.__getattr__` imports when it is first used, for type checkers and editors."""

from hubmerge.api import Found as Found
from hubmerge.api import Merged as Merged
from hubmerge.api import load as load
from hubmerge.api import match as match
from hubmerge.api import merge as merge
from hubmerge.api import report as report
from hubmerge.hub.destination import Destination as Destination
from hubmerge.pipeline.merge_result import MergeResult as MergeResult
from hubmerge.pipeline.plan import plan as plan
from hubmerge.pipeline.run import run as run
from hubmerge.recipe import DataRecipe as DataRecipe
from hubmerge.recipe import Recipe as Recipe
from hubmerge.recipe import read_recipe as read_recipe
from hubmerge.surveys.complex import survey_complex as survey_complex
from hubmerge.surveys.diagnose import diagnose as diagnose
from hubmerge.surveys.path import find_path as find_path
from hubmerge.surveys.plane import find_plane as find_plane
from hubmerge.surveys.simplex import find_simplex as find_simplex
from hubmerge.verification import Verification as Verification
from hubmerge.verification import verify as verify

__version__: str
__all__: list[str]
