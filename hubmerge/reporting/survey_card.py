"""The README of a survey's folder: what is seen, picture, figures, and how to have it again."""

from __future__ import annotations

from hubmerge.evaluation.curve import CURVE_ROWS
from hubmerge.reporting.schema.survey_results import Surveyed
from hubmerge.reporting.survey_kinds import kind_of
from hubmerge.reporting.templating import environment
from hubmerge.utils.parent_names import parent_letters

TEMPLATE = "survey.md.jinja"


def render_survey(found: Surveyed) -> str:
    """The text of `README.md`."""
    kind = kind_of(found)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            found=found,
            kind=kind,
            tables=kind.tables(found),
            models=list(zip(parent_letters(len(found.models)), found.models, strict=True)),
            options=[(name, str(value)) for name, value in kind.options(found).items()],
            most=CURVE_ROWS,
        )
    )
