"""The model card: metadata the Hub understands, and a body a reader understands in five seconds.

Every value in the template is escaped as it is printed; what is meant as markup says so.
"""

from __future__ import annotations

from huggingface_hub import EvalResult, ModelCardData
from markupsafe import Markup

from hubmerge.reporting import (
    barrier_text as heights,
)
from hubmerge.reporting import (
    escape,
)
from hubmerge.reporting import (
    label_coverage as known,
)
from hubmerge.reporting import (
    numbers as figures,
)
from hubmerge.reporting.benchmarks import (
    benchmark_table,
    contenders,
    difference_table,
    how,
    model_index,
)
from hubmerge.reporting.effort import effort_text
from hubmerge.reporting.pictures import PLOT
from hubmerge.reporting.plots.barrier import can_plot
from hubmerge.reporting.refined import refinement_lines
from hubmerge.reporting.schema.report import DataRecord, Report, RowSetRecord
from hubmerge.reporting.schema.surveys import Seen
from hubmerge.reporting.survey_kinds import SurveyKind, kind_of
from hubmerge.reporting.templating import environment
from hubmerge.reporting.verdict import PREAMBLE, rule
from hubmerge.reporting.words import example_of, tolerances_of, unmeasured, words_of
from hubmerge.utils.parent_names import parent_letters

TEMPLATE = "card.md.jinja"
NUMBERS = "numbers"
"""What is measured of models whose outputs are numbers."""
LABEL_SETS = "label sets"
"""What is measured of models of which several labels may be right at once."""
METRIC_TYPES = {"Pearson correlation": "pearsonr", "Spearman correlation": "spearmanr"}
"""The Hub's words for further scores."""
HERE = "path/to/this/folder"
"""Where the card says to load from before the merge has a repository."""


def render_card(report: Report, repo_id: str | None = None) -> str:
    """The text of `README.md`.

    `repo_id` is where the merge will be published, so that the code in the card runs as it is.
    """
    words, tolerances = words_of(report), tolerances_of(report)
    location = repo_id or (report.published.id if report.published else HERE)
    return (
        environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            metadata=Markup(card_data(report, repo_id).to_yaml()),
            location=location,
            plot=PLOT if can_plot(report) else None,
            table=figures.contender_table(report),
            letters=parent_letters(len(report.models)),
            known=_known(report),
            barrier_sentence=heights.barrier_sentence(report),
            heights=heights.heights(report),
            errs=any(each.curve.error_barrier for each in heights.heights(report)),
            training_sentence=heights.training_sentence(report),
            tolerance=tolerances.loss,
            row_sets=_row_sets(report.data) if report.data else [],
            rule=(PREAMBLE, rule(tolerances, words, len(report.models))),
            words=words,
            example=example_of(report),
            unmeasured=unmeasured(report),
            everyone=figures.everyone(len(report.models)),
            between=figures.between(report),
            surveys=_surveys(report),
            bad=report.verdict == "do not use",
            once=_once(report, location),
            refinement=refinement_lines(report),
            benchmarks=[
                each for each in (benchmark_table(report), difference_table(report)) if each
            ],
            how_benchmarked=how(report),
            samples=[
                (each.prompt, [(role, each.texts[role]) for role in contenders(report, each.texts)])
                for each in report.samples or ()
            ],
            effort=_effort(report),
        )
    )


def _effort(report: Report) -> str:
    """What was asked for, written out; empty in reports of earlier versions."""
    record = report.method.effort
    return "" if record is None else f"{record.effort}: {effort_text(record)}"


def card_data(report: Report, repo_id: str | None = None) -> ModelCardData:
    """The metadata at the top of the card. Only what lies on the Hub is named as lying there."""
    line = escape.one_line
    merges = (*(report.stages or ()), report)
    sources = [each for made in merges for each in (*made.models, made.base) if each is not None]
    named = [each for source in sources for each in (source, *(source.adapters or ()))]
    bases = [line(each.id) for each in named if each.kind == "hub"]
    if report.stages or any(source.adapters for source in sources):  # of one base, as a rule
        bases = list(dict.fromkeys(bases))
    data = report.data
    licence = report.licence
    link = licence.license_link or ""
    return ModelCardData(
        base_model=bases or None,
        base_model_relation="merge" if bases else None,
        datasets=[line(data.id)] if data and data.kind == "hub" else None,
        eval_results=[*_eval_results(report), *model_index(report)] or None,
        library_name=report.merged.library or "transformers",
        license=_licences(licence.license),  # type: ignore[arg-type]  # the Hub takes a list too
        license_name=line(licence.license_name) if licence.license_name else None,
        license_link=line(link) if link.startswith(("https://", "http://")) else None,
        model_name=line(repo_id or " + ".join(parent.name for parent in report.models)),
        pipeline_tag=line(report.merged.pipeline_tag) if report.merged.pipeline_tag else None,
        tags=["merge", "hubmerge", line(report.merged.model_type)],
        verdict=report.verdict,
    )


def _once(report: Report, location: str) -> str | None:
    """One line that loads the merge and uses it; None where no pipeline does."""
    called, tag = example_of(report).once, report.merged.pipeline_tag
    if not called or not tag:
        return None
    if report.merged.measure == NUMBERS:  # a pipeline makes a probability of a single number
        called += ', function_to_apply="none"'
    if report.merged.measure == LABEL_SETS and tag == "text-classification":
        called += ", top_k=None"  # it says one label alone, unless all are asked for
    given = ", ".join(map(escape.python_string, (tag, location)))
    return f"from transformers import pipeline; print(pipeline({given})({called}))"


def _surveys(report: Report) -> list[tuple[Seen, SurveyKind]]:
    """What was seen around the merge, and how each of it is shown."""
    return [(seen, kind_of(seen)) for seen in (report.surveys.seen if report.surveys else [])]


def _eval_results(report: Report) -> list[EvalResult]:
    """The merge's own figures in the Hub's terms; nothing that was not measured."""
    data, merge = report.data, report.contenders.merge
    if data is None:
        return []
    words = words_of(report)
    shown = [(words.loss, words.loss.capitalize(), words.shown(merge.loss))]
    measured = (
        *(shown if words.exponential else ()),
        (words.metric, words.accuracy[0].upper() + words.accuracy[1:], words.score(merge.accuracy)),
        *(
            (_metric_type(name), name[:1].upper() + name[1:], score.value)
            for name, score in (merge.scores or {}).items()
        ),
        ("loss", f"{words.kind.capitalize()} ({words.nats})", merge.loss),
        (
            "loss_barrier",
            f"Loss barrier between the parents ({words.nats})",
            report.barrier.matched,
        ),
    )
    line = escape.one_line
    return [
        EvalResult(
            task_type=line(report.merged.pipeline_tag or ""),
            dataset_type=line(data.id),
            dataset_name=line(data.id),
            dataset_config=line(data.config) if data.config else None,
            dataset_split=line(data.evaluation.split),
            dataset_revision=line(data.sha),
            dataset_args={"rows": report.n},
            metric_type=kind,
            metric_name=name,
            metric_value=value,
        )
        for kind, name, value in measured
        if value is not None
    ]


def _metric_type(name: str) -> str:
    """The Hub's word for a further score: "entity F1" -> "f1"."""
    if name.endswith("F1"):
        return "f1"
    return METRIC_TYPES.get(name, escape.one_line(name).lower().replace(" ", "_"))


def _known(report: Report) -> tuple[list[list[str]], list[str]] | None:
    """The table over all label sets, and how it is read; None where all have the same."""
    if report.heads is None or report.data is None:
        return None
    return known.table(report), known.sentences(report)


def _row_sets(data: DataRecord) -> list[tuple[str, str, RowSetRecord | None]]:
    return [
        ("calibration", "statistics and activations", data.calibration),
        ("validation", "everything that is chosen", data.validation),
        ("evaluation", "the figures above, and nothing else", data.evaluation),
    ]


def _licences(licences: str | list[str]) -> str | list[str]:
    if isinstance(licences, str):
        return escape.one_line(licences)
    return [escape.one_line(licence) for licence in licences]
