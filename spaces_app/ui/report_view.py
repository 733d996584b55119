"""The report of a finished merge: verdict, then figures."""

from __future__ import annotations

from bisect import bisect

from markupsafe import Markup

from hubmerge.errors.wording import render
from hubmerge.evaluation.results import Curve
from hubmerge.reporting.barrier_text import (
    barrier_cell,
    barrier_sentence,
    heights,
    training_sentence,
)
from hubmerge.reporting.benchmarks import benchmark_table, difference_table, how
from hubmerge.reporting.next_steps import next_steps
from hubmerge.reporting.numbers import MISSING, contender_table, count, figure, share, signed
from hubmerge.reporting.refined import refinement_lines
from hubmerge.reporting.schema.method import MethodRecord
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.words import words_of
from hubmerge.utils.parent_names import REFINED_PARENT
from spaces_app.ui.markup import (
    NONE,
    card,
    facts,
    figure_term,
    folded,
    join,
    on_hub,
    table,
    term,
    text,
)
from spaces_app.ui.method_choices import LOOKS_AT
from spaces_app.ui.verdict_view import LOOKS, explained, told
from spaces_app.ui.verdict_view import is_bad as is_bad
from spaces_app.ui.wording import PAGE

LOSS = (
    "Mean cross-entropy in nats: how surprised the model is by the right answers. Lower is better."
)
ACCURACY = "Share of the rows whose likeliest class is the right one. Higher is better."
REFINED = (
    "That parent alone, trained on as the merge was: what it lacks to the merge, merging gave."
)
CALIBRATED = "The loss after temperature scaling, fitted on other rows."
ERROR = "Difference between confidence and accuracy. Lower is better."
BARRIER = (
    "The highest rise of the loss on the straight path between the two models. "
    "0 means that the path has no barrier."
)
ERRORS = "How far the accuracy falls below the line between the two models' own, at most."
ENSEMBLE = "Both models run and their predictions are averaged: often better, at twice the cost."
NAIVE = "The average of the two models without matching their units."
SPACE = "A group of units that can be reordered without changing any output."
HOW = (
    "permute: units are reordered. scale: and rescaled. rotate, linear: and mixed. "
    "None of it changes what the model computes."
)
MOVED = "Number of units whose position changed."
CORRELATION = "Correlation of matched units on the same rows: 1 is identical, 0 unrelated."
GAIN = "Increase in similarity of the two models' weights (or activations)."


def verdict(report: Report) -> Markup:
    """The verdict, what it means, and suggestions where it is not good."""
    body = join([told(report), Markup("<p>{}</p>").format(explained(report))])
    if report.data:
        rests = f"Measured on {count(report.n)} {report.data.unit} used for nothing else."
        body += Markup('<p class="hm-quiet">{}</p>').format(text(rests))
    if steps := next_steps(report):
        items = join(Markup("<li>{}</li>").format(text(render(step, PAGE))) for step in steps)
        body += folded(
            "What may improve the merge, under Advanced", Markup("<ul>{}</ul>").format(items)
        )
    return card("Verdict", body, LOOKS[report.verdict])


def barrier(report: Report) -> Markup:
    """The barrier between the parents, as sentence and table."""
    said = Markup("<p>{}</p>").format(text(barrier_sentence(report)))
    if report.barrier.left_out:
        return said
    if report.barrier.naive is None:
        return NONE
    matched, naive = report.barrier.detail.matched, report.barrier.detail.naive
    pairs = [
        (term("Barrier", BARRIER), Markup("{} nats matched").format(figure(_value(matched)))),
        ("Without matching", f"{figure(_value(naive))} nats"),
    ]
    curve = matched or naive
    if curve is not None:
        unit = report.data.unit if report.data else "rows"
        pairs.append(("Measured on", f"{count(curve.n)} {unit}, at {len(curve.points)} points"))
    training = training_sentence(report)
    note = Markup('<p class="hm-quiet">{}</p>').format(text(training)) if training else NONE
    return join([said, facts(pairs), _paths(report), note])


def _paths(report: Report) -> Markup:
    """Barriers of every path on every kind of rows."""
    lines = [
        (
            each.path,
            f"{count(each.curve.n)} {each.rows}",
            barrier_cell(each.curve.barrier),
            barrier_cell(each.curve.calibrated_barrier),
            barrier_cell(each.curve.error_barrier),
        )
        for each in heights(report)
    ]
    head = ("path", "rows", "loss barrier", "calibrated", term("error barrier", ERRORS))
    return table(head, lines, "Barriers of the paths, with 90% intervals")


def reading(report: Report, lam: float) -> Markup:
    """Values of both curves at `lam`, interpolated linearly."""
    said = []
    words = words_of(report)
    unit = report.data.unit if report.data else "rows"
    for name, curve in (
        ("matched", report.barrier.detail.matched),
        ("without matching", report.barrier.detail.naive),
    ):
        if curve is not None:
            loss, accuracy, measured = values_at(curve, lam)
            how = "" if measured else ", interpolated"
            figures = f"loss {figure(loss)}, {words.accuracy} {figure(words.score(accuracy))}"
            said.append((name, f"{figures} ({count(curve.n)} {unit}{how})"))
    return facts([(f"λ = {share(lam)}", f"{share(1 - lam)} × A + {share(lam)} × B"), *said])


def values_at(curve: Curve, lam: float) -> tuple[float, float, bool]:
    """Loss and accuracy at `lam`, and whether they were measured there."""
    points = sorted(curve.points, key=lambda point: point.lam)
    lams = [point.lam for point in points]
    place = min(max(bisect(lams, lam), 1), len(points) - 1)
    left, right = points[place - 1], points[place]
    for point in (left, right):
        if abs(point.lam - lam) < 1e-9:
            return point.loss, point.accuracy, True
    part = (lam - left.lam) / (right.lam - left.lam)
    return (
        left.loss + part * (right.loss - left.loss),
        left.accuracy + part * (right.accuracy - left.accuracy),
        False,
    )


def contenders(report: Report) -> Markup:
    """All contenders on the same rows; every figure says what it is."""
    if report.data is None:
        return NONE
    shown, said = contender_table(report), words_of(report)
    words = {
        "naive": term("Naive average", NAIVE),
        "ensemble": term("Ensemble of the parents", ENSEMBLE),
        **{row.key: term(row.name, REFINED) for row in shown.rows if row.key == REFINED_PARENT},
        "merge": Markup("<strong>This merge</strong>"),
    }
    lines = []
    for row, cells in zip(shown.rows, shown.cells, strict=True):
        rows = getattr(report.contenders, row.key).n
        explained_cells = [
            _explained(cell, row.name, heading, rows, report)
            for cell, heading in zip(cells, shown.headings, strict=True)
        ]
        lines.append((words.get(row.key, row.name), *explained_cells))
    meanings = {said.loss: LOSS, f"calibrated {said.loss}": CALIBRATED, "calibration error": ERROR}
    if said.kind != "cross-entropy":
        del meanings[said.loss]
    if said.metric == "accuracy" and said.accuracy == "accuracy":
        meanings[said.accuracy] = ACCURACY
    headings = [term(h, meanings[h]) if h in meanings else h for h in shown.headings]
    caption = f"All on the same {count(report.n)} {report.data.unit}"
    return table(("", *headings), lines, caption)


def benchmarks(report: Report) -> Markup:
    """Scores in benchmarks, and the merge minus every other contender; nothing without any."""
    found, differences = benchmark_table(report), difference_table(report)
    if found is None:
        return NONE
    shown = [
        Markup("<h4>Benchmarks</h4>"),
        table(found.head, found.rows, "What each scores"),
        Markup('<p class="hm-quiet">{}</p>').format(text(how(report))),
    ]
    if differences is not None:
        caption = "The merge minus each other, row by row, with one-sided 95% bounds"
        shown.append(folded("Differences", table(differences.head, differences.rows, caption)))
    return Markup('<div id="benchmarks">{}</div>').format(join(shown))


def _explained(cell: str, name: str, heading: str, rows: int, report: Report) -> Markup:
    """A figure that says what it is when it is pointed at, tapped or focused."""
    if cell == MISSING:
        return text(cell)
    unit = report.data.unit if report.data else "rows"
    said = f"{name}: {heading} {cell} on {count(rows)} {unit}."
    words = words_of(report)
    value = cell.partition(" ")[0]
    if heading == "accuracy" and words.metric == "accuracy" and value.startswith(("0.", "1.")):
        said += f" About {count(round(float(value) * rows))} of {count(rows)} are right."
    if heading == words.loss and words.kind == "cross-entropy":
        said += " Lower is better."
    return figure_term(cell, said)


def spaces(report: Report) -> Markup:
    """The matching of every space."""
    found = report.method.spaces
    if not found:
        return Markup('<p class="hm-quiet">Nothing was matched.</p>')
    lines = [
        (
            Markup("<code>{}</code>{}").format(text(space.space), _whose(space.parent)),
            text(space.kind),
            count(space.size),
            count(space.moved),
            figure(space.correlation),
            signed(space.gain, 2) if space.gain is not None else MISSING,
        )
        for space in found
    ]
    head = (
        term("space", SPACE),
        term("how", HOW),
        "units",
        term("moved", MOVED),
        term("correlation", CORRELATION),
        term("gain", GAIN),
    )
    on = f" ({text(report.method.outcome)})" if report.method.outcome else ""
    return table(head, lines, f"Matching of the units, space by space{on}")


def _whose(role: str | None) -> str:
    """With more than two parents, the parent: "parent_c" -> " (parent C)"."""
    return f" (parent {role.rpartition('_')[2].upper()})" if role else ""


def _matching(method: MethodRecord) -> str:
    """How the units were matched, and how that ended."""
    if method.match == "none":
        return "not matched: the units are in the order they came in"
    return method.match + (f" ({method.outcome})" if method.outcome else "")


def made(report: Report) -> Markup:
    """Parents, methods and known limits."""
    method = report.method
    pairs = [
        (
            "Parents",
            join((on_hub(p.id) if p.kind == "hub" else text(p.id) for p in report.models), ", "),
        ),
        ("Matching", text(_matching(method))),
        ("Fused by", _fused(method)),
        ("Repaired by", text(method.repair)),
        *((name[0].upper() + name[1:], text(came)) for name, came in refinement_lines(report)),
        ("λ", f"{share(method.lam)} ({method.lam_chosen})" if method.lam is not None else MISSING),
        ("Seed", str(method.seed)),
    ]
    limits = join(Markup("<li>{}</li>").format(text(limit)) for limit in report.limits)
    return join([facts(pairs), Markup("<h4>Known limits</h4><ul>{}</ul>").format(limits)])


def _fused(method: MethodRecord) -> Markup:
    if not method.needs:
        return text(method.fuse)
    looks_at = f"It looks at {LOOKS_AT[method.needs]}."
    return Markup("{} ({})").format(text(method.fuse), term(method.needs, looks_at))


def _value(curve: Curve | None) -> float | None:
    return curve.barrier.value if curve else None
