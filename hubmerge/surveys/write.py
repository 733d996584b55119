"""Writing a survey into a folder of its own, so that it can be read, looked at and made again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from hubmerge.landscape.inputs import SurveyInputs
from hubmerge.matching.alignment_files import FOLDER, save_matches
from hubmerge.recipe import RECIPE_FILE
from hubmerge.reporting.schema.survey_results import Surveyed
from hubmerge.reporting.survey_card import render_survey
from hubmerge.reporting.survey_kinds import kind_of
from hubmerge.utils.atomic_folder import atomic_folder

CARD = "README.md"


def write_survey(
    found: Surveyed,
    inputs: SurveyInputs,
    out: Path | None,
    tensors: Mapping[str, Mapping[str, Tensor]] | None = None,
) -> None:
    """Writes the folder `out`: figures, picture, README, recipe and alignment; None writes nothing.

    tensors: file -> name -> tensor, of what else is kept.
    """
    if out is None:
        return
    kind = kind_of(found)
    with atomic_folder(out) as folder:
        texts = {
            kind.report: found.model_dump_json(indent=2) + "\n",
            CARD: render_survey(found),
            RECIPE_FILE: inputs.recipe.to_yaml(),
        }
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        (folder / kind.picture).write_bytes(kind.draw(found, found.unit))
        for name, content in (tensors or {}).items():
            save_file(dict(content), folder / name)
        if inputs.matches:
            many = len(inputs.matches) > 1
            save_matches(inputs.matches, folder / FOLDER if many else folder)
