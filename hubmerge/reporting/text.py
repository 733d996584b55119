"""The report as a terminal shows it."""

from __future__ import annotations

from pathlib import Path

from hubmerge.errors.wording import PYTHON, Wording, render
from hubmerge.reporting import (
    barrier_text as heights,
)
from hubmerge.reporting import (
    label_coverage as known,
)
from hubmerge.reporting import (
    numbers as figures,
)
from hubmerge.reporting.benchmarks import benchmark_table
from hubmerge.reporting.effort import effort_text
from hubmerge.reporting.escape import one_line
from hubmerge.reporting.next_steps import next_steps
from hubmerge.reporting.numbers import figure, share
from hubmerge.reporting.refined import refinement_lines
from hubmerge.reporting.schema.method import MethodRecord
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import words_of
from hubmerge.tasks import Words
from hubmerge.utils.parent_names import display_name, listed
from hubmerge.utils.tables import columns, right_of_first


def render_text(report: Report, folder: Path | None = None, wording: Wording = PYTHON) -> str:
    """Verdict, contenders, barrier, what may help, and where the files lie if `folder` is given."""
    blocks = [
        one_line(report.verdict_sentence),
        _table(report) if report.data else "",
        _known(report) if report.heads and report.data else "",
        heights.barrier_sentence(report) if report.data else "",
        _training(report),
        "\n".join(one_line(seen.sentence) for seen in report.surveys.seen)
        if report.surveys
        else "",
        _benchmarks(report),
        _method(report),
        _limits(report),
        _next(report, wording),
        _places(report, folder),
    ]
    return "\n\n".join(block for block in blocks if block)


def _training(report: Report) -> str:
    """The paths on training rows."""
    said = heights.training_sentence(report)
    if said is None:
        return ""
    lines = [
        f"{height.path} on {height.rows} rows: loss barrier "
        f"{heights.barrier_cell(height.curve.barrier)}, error barrier "
        f"{heights.barrier_cell(height.curve.error_barrier)}"
        for height in heights.heights(report)
        if height.rows == heights.TRAINING
    ]
    return "\n".join([one_line(said), *lines])


def _table(report: Report) -> str:
    table = figures.contender_table(report, short=True)
    lines = [["", *table.headings]]
    for row, cells in zip(table.rows, table.cells, strict=True):
        lines.append([f"{row.name}, {one_line(row.model)}" if row.model else row.name, *cells])
    return right_of_first(lines)


def _known(report: Report) -> str:
    return "\n".join(["Accuracy", right_of_first(known.table(report)), *known.sentences(report)])


def _benchmarks(report: Report) -> str:
    table = benchmark_table(report)
    if table is None:
        return ""
    return right_of_first([[one_line(cell) for cell in row] for row in (table.head, *table.rows)])


def _method(report: Report) -> str:
    method = report.method
    lam = ""
    if method.lam is not None and not method.ingredients:
        lam = f", lambda {share(method.lam)} ({method.lam_chosen})"
    if method.weights is not None:
        lam = f", weights {', '.join(map(share, method.weights))}"
    jointly = f" ({method.multi_match})" if method.multi_match else ""
    moved = sum(space.moved for space in method.spaces)
    units = sum(space.size for space in method.spaces)
    found = (
        f", {figures.count(moved)} of {figures.count(units)} units moved" if method.spaces else ""
    )
    by = "Not matched" if method.match == "none" else f"Matched by {method.match}"
    matched = f"{by}{jointly}{found}"
    needs = f" ({method.needs})" if method.needs else ""
    stages = [
        f"Stage {one_line(stage.name)}: {stage.method.fuse} of "
        f"{one_line(listed([each.name for each in stage.models]))}."
        for stage in report.stages or ()
    ]
    tensors = report.merged.tensors
    left = (
        f", {tensors.left} of {tensors.count} tensors as parent A has them"
        if tensors and tensors.left
        else ""
    )
    how = f"fused by {method.fuse}{needs}{lam}{left}; repair {method.repair}"
    lines = [*stages, f"{matched}; {how}."]
    for plugin in method.plugins or []:
        lines.append(
            f"The {plugin.kind} {one_line(plugin.name)} comes from the plugin "
            f"{one_line(plugin.package)} {one_line(plugin.version)}."
        )
    if method.effort is not None:
        lines.append(f"Effort {method.effort.effort}: {effort_text(method.effort)}.")
    if method.part:
        lines.append(f"Merged: {one_line(method.part)}.")
    lines += [f"{name[0].upper()}{name[1:]}: {came}." for name, came in refinement_lines(report)]
    return "\n".join([*lines, *_chosen(method, words_of(report))])


def _chosen(method: MethodRecord, words: Words) -> list[str]:
    """What the fusion chose, or was chosen among, a line each."""
    lines = []
    for trial in method.fusions_tried or []:
        chosen = "  chosen" if trial.chosen else ""
        score = figure(words.score(trial.accuracy))
        lines.append(
            f"  tried {trial.fuse} ({trial.needs}): {words.accuracy} {score}, "
            f"{words.tried} {figure(words.shown(trial.loss))}{chosen}"
        )
    if method.ingredients:
        shares = ", ".join(map(share, method.ingredients))
        lines.append(f"Weights of the parents: {shares}.")
    for number, step in enumerate(method.soup.steps if method.soup else [], 1):
        soup = "" if step.soup is None else f", with it {figure(step.soup)}"
        taken = "taken" if step.taken else "left out"
        metric = method.soup.metric if method.soup else ""
        alone = f"{metric} {figure(step.alone)} alone{soup}"
        lines.append(f"  {number}. {display_name(step.ingredient)}: {alone}, {taken}")
    return lines


def _limits(report: Report) -> str:
    if not report.limits:
        return ""
    return "\n".join(["Known limits", *(f"- {one_line(limit)}" for limit in report.limits)])


def _next(report: Report, wording: Wording) -> str:
    steps = [render(step, wording) for step in next_steps(report)]
    return (
        "\n".join(["What may improve the merge", *(f"- {step}" for step in steps)]) if steps else ""
    )


def _places(report: Report, folder: Path | None) -> str:
    places = []
    if folder is not None:
        places += [("model and card", str(folder)), ("report", str(folder / "report.json"))]
    if report.published is not None:
        places.append(("published", one_line(report.published.url)))
    return columns(places)
