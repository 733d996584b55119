"""Preview of a publication, and its result."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from markupsafe import Markup

from hubmerge.hub.source import folder_files
from hubmerge.planning.resources import human
from hubmerge.reporting.card import render_card
from hubmerge.reporting.pictures import PICTURES
from hubmerge.reporting.schema.report import Report
from spaces_app.service.job import Refusal
from spaces_app.service.jobs import CUT_OFF
from spaces_app.ui.markup import card, facts, join, refusal, table, text

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


def published(done: dict[str, Any]) -> Markup:
    """Link to the published merge."""
    address = done["pr_url"] or done["url"]
    what = "A pull request is open" if done["pr_url"] else "The merge is on the Hub"
    if not done["changed"]:
        what = "The merge was on the Hub already: nothing was uploaded"
    link = Markup('<a href="{}" target="_blank" rel="noopener noreferrer">{}</a>').format(
        address, text(address)
    )
    return card("Published", join([Markup("<p>{}: {}</p>").format(what, link)]), "hm-good")


def unpublished(why: Refusal) -> Markup:
    """Why publishing failed, or that its outcome is unknown."""
    cut_off = why.kind in CUT_OFF
    return refusal(why, "Publishing was interrupted" if cut_off else "Nothing was published")
