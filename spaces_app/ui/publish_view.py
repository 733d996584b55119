"""Preview of a publication, and its result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hubmerge.hub.source import folder_files
from hubmerge.planning.resources import human
from hubmerge.reporting.badge import badge_line
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refusal
from spaces_app.service.jobs import CUT_OFF
from spaces_app.ui.markup import card, facts, join, refusal, table, text
from spaces_app.ui.verdict_view import chip

FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)


def files(folder: Path) -> Markup:
    """Every file that will be uploaded."""
    lines = [
        (Markup("<code>{}</code>").format(text(name)), human((folder / name).stat().st_size))
        for name in folder_files(folder)
    ]
    return table(("file", "size"), lines, "Files that will be uploaded, in one commit")


def card_preview(report: Report, repo: str, place: str) -> tuple[str, str]:
    """The card's metadata, and its body as Markdown. place: where its pictures are shown from."""
    written = render_card(report, repo)
    metadata = FRONT_MATTER.match(written)
    body = FRONT_MATTER.sub("", written)
    for name in PICTURES:
        body = body.replace(f"]({name})", f"]({place}/{name})")
    return (metadata[1] if metadata else ""), body


def terms(report: Report) -> Markup:
    """What the licences say about publishing."""
    licence = report.licence
    named = licence.license if isinstance(licence.license, str) else ", ".join(licence.license)
    pairs: list[tuple[str, str]] = [("Licence", text(named)), ("Why", text(licence.reason))]
    if licence.public_needs_override:
        pairs.append(("Public?", "Only by your own decision: read the parents' licences first."))
    elif licence.private_by_default:
        pairs.append(("Public?", "Private by default: a parent is private or gated."))
    return facts(pairs)


def published(
    done: Mapping[str, Any],
    destination: Mapping[str, Any] | None = None,
    report: Report | None = None,
) -> Markup:
    """What is now true, and what to do with it. destination: how it was asked for."""
    address = done["pr_url"] or done["url"]
    what = "A pull request is open" if done["pr_url"] else "The merge is on the Hub"
    if not done["changed"]:
        what = "The merge was on the Hub already: nothing was uploaded"
    link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(
        address, text(address)
    )
    parts = [Markup("<p>{}: {}</p>").format(what, link)]
    if destination is not None and report is not None:
        parts.append(_now_true(done, destination, report))
    parts.append(_buttons(str(address), str(done["url"]), report))
    return card("Published", join(parts), "hm-good")


def _now_true(done: Mapping[str, Any], destination: Mapping[str, Any], report: Report) -> Markup:
    """Who sees it, under which licence, and what its card says."""
    if done["pr_url"]:
        seen = "All who see the repository; its owners decide whether it is merged"
    elif destination.get("exist_ok"):
        seen = "All who see the repository"
    else:
        seen = (
            "Only you, and members of your organisation"
            if destination.get("private")
            else "Everyone"
        )
    named = report.licence.license
    licence = named if isinstance(named, str) else ", ".join(named)
    commit = str(done.get("commit") or "")[:12]
    pairs: list[tuple[object, object]] = [
        ("Seen by", seen),
        ("Verdict on its card", chip(report.verdict)),
        ("Licence", text(licence)),
    ]
    if commit:
        pairs.append(("Commit", Markup("<code>{}</code>").format(text(commit))))
    return facts(pairs)


def _buttons(address: str, repository: str, report: Report | None) -> Markup:
    """Open it, copy its link, and copy a line that shows its badge elsewhere."""
    plain = f"[merged with hubmerge]({repository})"
    embed = plain if report is None else badge_line(report, repository)
    return Markup(
        '<p class="hm-buttons"><a class="hm-button" href="{0}" target="_blank" '
        'rel="noopener noreferrer">Open the repository</a>'
        '<button type="button" class="hm-button" data-copy="{0}">Copy the link</button>'
        '<button type="button" class="hm-button" data-copy="{1}">Copy its badge</button>'
        "</p>"
    ).format(address, embed)


def unpublished(why: Refusal) -> Markup:
    """Why publishing failed, or that its outcome is unknown."""
    cut_off = why.kind in CUT_OFF
    return refusal(why, "Publishing was interrupted" if cut_off else "Nothing was published")
