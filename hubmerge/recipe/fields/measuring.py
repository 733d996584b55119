"""Which rows are looked at, and how closely."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from hubmerge.options.declared import MEASURING, PATH, SURVEY, Option
from hubmerge.recipe.data import DataRecipe
from hubmerge.recipe.part import MATCHING, RecipePart
from hubmerge.recipe.words import SurveyName

if TYPE_CHECKING:
    from hubmerge.recipe.fields.objects import Dataset


class MeasureFields(RecipePart):
    """Which rows are looked at, and how closely."""

    if TYPE_CHECKING:
        dataset: Dataset = Dataset()
    else:
        dataset: DataRecipe | None = None
    samples: Annotated[
        Annotated[int, Field(ge=1)] | Literal["all"] | None,
        Option(
            "Evaluation rows. Default: 1,000, or all if there are fewer.",
            group=MEASURING,
            choices={"all": "every row of the split"},
            top=True,
            also=(SURVEY,),
            label="Rows to measure on",
            see="evaluation.md#data",
        ),
    ] = None
    calibration_samples: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Rows for activations and statistics. Default: 1,000, or all if there are fewer.",
            group=MEASURING,
            also=MATCHING,
            label="Rows to match on",
            see="evaluation.md#data",
        ),
    ] = None
    train_samples: Annotated[
        int | None,
        Field(ge=1),
        Option(
            "Training rows on which the paths are also measured; they do not affect the verdict.",
            group=MEASURING,
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = None
    path: Annotated[
        Literal["none", "short", "full"],
        Option(
            "How closely the loss along the paths is looked at.",
            group=MEASURING,
            choices={
                "none": "not at all: parents, naive average, merge and ensemble alone",
                "short": "3 points between the parents, and 3 more where the merge lies",
                "full": "9 points, and up to 8 more until the maxima are settled",
            },
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = "short"
    path_points: Annotated[
        int | None,
        Field(ge=0),
        Option(
            "Points that may be added to a full path's 11 until its maxima are settled. Default: "
            "8; a number asks for the full path.",
            group=MEASURING,
            also=(PATH,),
            label="",
            see="evaluation.md#the-path-and-its-barrier",
        ),
    ] = None
    survey: Annotated[
        tuple[SurveyName, ...],
        Option(
            "Additional surveys of the loss landscape around the merge.",
            group=MEASURING,
            choices={
                "path": "a low-loss curve between two models",
                "plane": "the loss on a plane through two models",
                "simplex": "all mixtures of three models or more",
            },
            label="Surveys around the merge",
            see="landscape.md#on-a-merges-card",
        ),
    ] = ()
    eval: Annotated[
        tuple[str, ...],
        AfterValidator(lambda given: tuple(name for each in given for name in each.split(","))),
        Option(
            "Benchmarks: data sets of the Hub to measure on as well; of language models, tasks of "
            "lm-evaluation-harness or data sets with a task file of it.",
            group=MEASURING,
            metavar="TASK",
            label="",
            see="evaluation.md#benchmarks",
        ),
    ] = ()
