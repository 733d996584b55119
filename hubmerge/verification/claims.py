"""What a published merge says twice: whether both times it says the same. Needs nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import hubmerge
from hubmerge.reporting.benchmarks import eval_result_files
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import BADGE, pictures
from hubmerge.reporting.refined import remark
from hubmerge.reporting.schema.report import Report
from hubmerge.reporting.verdict import judge
from hubmerge.reporting.words import tolerances_of, unmeasured, words_of
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, front_matter, read_yaml
from hubmerge.verification.result import Check, Outcome
from hubmerge.verification.same_picture import why_another_picture
from hubmerge.verification.values import compare

CARD = "README.md"
SHOWN = 200
"""Characters of a line of a card that a check quotes."""


def check_claims(
    report: Report, card: str, found: Mapping[str, bytes], results: Mapping[str, bytes]
) -> tuple[list[Check], list[str]]:
    """Whether a report follows from its figures, and card, pictures and results in benchmarks of
    the Hub (by file) from the report; and remarks.
    """
    on_card, first = check_card(card, report)
    on_pictures, second = check_pictures(found, report)
    on_results = check_results(results, report)
    return [*check_verdict(report), *on_card, *on_pictures, *on_results], [*first, *second]


def check_results(found: Mapping[str, bytes], report: Report) -> list[Check]:
    """Whether the Hub is told exactly the results of the report's benchmarks, by file."""
    said = eval_result_files(report)
    return [
        Check(
            part="card",
            what=name,
            outcome=Outcome.IDENTICAL
            if _read(found.get(name)) == _read(said.get(name))
            else Outcome.DOES_NOT_HOLD,
            said=_shown(found.get(name)),
            found=_shown(said.get(name)),
        )
        for name in sorted({*found, *said})
    ]


def _read(content: bytes | None) -> Any:
    """What a file of results says; None of no file, or of one that says nothing that is read."""
    if content is None:
        return None
    try:
        return _plain(read_yaml(content.decode("utf-8", "replace")))
    except UnreadableYamlError:
        return content


def _shown(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")[:SHOWN]


def check_verdict(report: Report) -> list[Check]:
    """Whether the verdict is what the rule makes of the report's own figures."""
    judged = judge(
        report.contenders,
        report.comparisons,
        unit=report.data.unit if report.data else "rows",
        finite=_finite(report),
        words=words_of(report),
        tolerances=tolerances_of(report),
        unmeasured=unmeasured(report),
        remark=remark(report),
    )
    said = {"verdict": report.verdict, "verdict_sentence": report.verdict_sentence}
    found = {"verdict": judged.name, "verdict_sentence": judged.sentence}
    return _excused(report, list(compare("verdict", said, found, at="by the rule")))


def _finite(report: Report) -> bool:
    """Whether every output of the merge was a number: else it has no loss; or no score, where rows
    have no loss.
    """
    merge = report.contenders.merge
    figure = merge.loss if words_of(report).has_loss else merge.accuracy
    return report.data is None or figure is not None


def check_card(text: str, report: Report) -> tuple[list[Check], list[str]]:
    """Whether the card says what the report says; and a remark on what it says beside that."""
    metadata, body = _divided(text)
    expected, wanted = _divided(render_card(report, _named(metadata, report)))
    kept = {name: metadata.get(name) for name in expected}
    checks = list(compare("card", expected, kept))
    theirs, ours = (Counter(filter(None, each.splitlines())) for each in (body, wanted))
    lost, added = ours - theirs, theirs - ours
    checks += [
        Check(
            part="card",
            what=f"{CARD}: a line that follows from the report is not there",
            outcome=Outcome.DOES_NOT_HOLD,
            said=None,
            found=line[:SHOWN],
        )
        for line in lost.elements()
    ]
    if not lost:
        checks.append(Check(part="card", what=CARD, outcome=Outcome.IDENTICAL))
    lines = "a line" if added.total() == 1 else f"{added.total():,} lines"
    remark = f"{CARD} has {lines} of which the report says nothing"
    return _excused(report, checks), [remark] if added else []


def check_pictures(found: Mapping[str, bytes], report: Report) -> tuple[list[Check], list[str]]:
    """Whether the pictures, by file, are those that are drawn from the report.

    Another version of matplotlib draws other bytes; a remark says so where the curves are
    the same. The badge is text, and the same everywhere.
    """
    checks, remarks, drawn = [], [], pictures(report)
    for name in sorted({*found, *drawn}):
        if name not in found or name not in drawn:
            why = "missing" if name not in found else "the report has no figures for it"
        elif found[name] == drawn[name]:
            checks.append(Check(part="card", what=name, outcome=Outcome.IDENTICAL))
            continue
        elif name == BADGE:
            why = "it does not say the report's verdict"
        elif (other := why_another_picture(found[name], drawn[name])) is not None:
            why = other
        else:
            remarks.append(
                f"{name} shows what the report says, drawn by other versions of libraries"
            )
            continue
        outcome = Outcome.DOES_NOT_HOLD
        checks.append(Check(part="card", what=name, outcome=outcome, why=why))
    return _excused(report, checks), remarks


def _divided(card: str) -> tuple[dict[str, Any], str]:
    """Metadata and text of a card; no metadata where they cannot be read."""
    head, body = front_matter(card)
    try:
        metadata = read_yaml(head or "")
    except UnreadableYamlError:
        return {}, card
    return (_plain(metadata), body) if isinstance(metadata, dict) else ({}, card)


def _plain(value: Any) -> Any:
    """What YAML can say and JSON cannot, as text."""
    match value:
        case dict():
            return {str(name): _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case str() | int() | float() | None:
            return value
        case _:
            return str(value)


def _named(metadata: dict[str, Any], report: Report) -> str | None:
    """The repository a card says it lies in; None if it names none."""
    match metadata:
        case {"model-index": [{"name": str(name)}, *_]} | {"model_name": str(name)}:
            return None if name == " + ".join(parent.name for parent in report.models) else name
    return None


def _excused(report: Report, checks: list[Check]) -> list[Check]:
    """Another version of hubmerge may have put things differently: then nothing is known."""
    version = report.run.versions.get("hubmerge")
    if version == hubmerge.__version__:
        return checks
    why = f"written by hubmerge {version}, this is {hubmerge.__version__}"
    return [
        check.model_copy(update={"outcome": Outcome.NOT_CHECKED, "why": why})
        if check.outcome is Outcome.DOES_NOT_HOLD
        else check
        for check in checks
    ]
