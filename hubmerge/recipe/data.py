"""The part of a recipe that names a data set."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from hubmerge.options.declared import DATA, Option
from hubmerge.recipe.part import EVERYWHERE, MATCHING, RecipePart


class DataRecipe(RecipePart):
    """Which data set, and where in it to look; what is None is detected."""

    noun: ClassVar[str] = "the data set"
    example: ClassVar[str] = 'id="ORG/DATA", split="test", ...'

    id: Annotated[
        str,
        Option(
            "Data to match and measure on: a Hub id, id@revision, a folder or a file of rows.",
            group=DATA,
            flags="--dataset",
            top=True,
            also=EVERYWHERE,
            label="",
            see="evaluation.md#data",
        ),
    ]
    config: Annotated[
        str | None,
        Option(
            "Configuration of the data set.",
            group=DATA,
            flags="--dataset-config",
            also=MATCHING,
            label="",
        ),
    ] = None
    split: Annotated[
        str | None,
        Option("Split to measure on. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    calibration_split: Annotated[
        str | None,
        Option(
            "Split for activations and statistics. Default: detected.",
            group=DATA,
            also=MATCHING,
            label="",
        ),
    ] = None
    image_column: Annotated[
        str | None,
        Option("Column of images. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    feature_column: Annotated[
        str | None,
        Option(
            "Column of lists of floats. Default: detected.", group=DATA, also=MATCHING, label=""
        ),
    ] = None
    label_column: Annotated[
        str | None,
        Option("Column of labels. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    text_column: Annotated[
        str | None,
        Option("Column of texts. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    pair_column: Annotated[
        str | None,
        Option(
            "Column of second texts, for models that read pairs. Default: detected.",
            group=DATA,
            also=MATCHING,
            label="",
        ),
    ] = None
    negative_column: Annotated[
        str | None,
        Option(
            "Column of third texts, which do not belong to the first. Default: detected.",
            group=DATA,
            also=MATCHING,
            label="",
            see="evaluation.md#texts-that-belong-together",
        ),
    ] = None
    audio_column: Annotated[
        str | None,
        Option("Column of sounds. Default: detected.", group=DATA, also=MATCHING, label=""),
    ] = None
    prompt: Annotated[
        str | None,
        Option(
            "Text for a class, for models of images and texts; {} stands for its name. Default: "
            '"This is a photo of {}."',
            group=DATA,
            also=MATCHING,
            label="",
            see="evaluation.md#images-and-texts",
        ),
    ] = None
    tokens: Annotated[
        int | None,
        Field(ge=2),
        Option(
            "Tokens of a text that are measured at most. Default: 128, or the model's maximum if "
            "that is less.",
            group=DATA,
            also=MATCHING,
            label="",
            see="evaluation.md#texts-with-labels",
        ),
    ] = None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are asked for by name."""
        names = (
            self.image_column,
            self.feature_column,
            self.label_column,
            self.text_column,
            self.pair_column,
            self.negative_column,
            self.audio_column,
        )
        return tuple(name for name in names if name is not None)
