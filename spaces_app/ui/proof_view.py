"""What this app found when it verified a merge: as a mark, and in full."""

from __future__ import annotations

import time
from urllib.parse import quote

from markupsafe import Markup

from hubmerge.hub.client import endpoint
from hubmerge.reporting.numbers import count
from spaces_app.service.verified import Verified
from spaces_app.ui.markup import NONE, facts, join, link, term, text

LEVELS = {"measure": "measured again", "remake": "made again"}
MEANINGS = {
    "measure": "This app loaded the published weights and measured them on the recorded rows: the "
    "merge's own figures hold. Those of its parents are as they were published.",
    "remake": "This app made the merge again from its parents and measured everything again, "
    "parents included: weights and figures hold.",
}
FALSE = "This app verified this commit, and something in it is not what its report says."


def mark(proof: Verified | None) -> Markup:
    """The level that holds, or that something does not; nothing where neither is known."""
    if proof is None or (proof.level is None and not proof.false):
        return NONE
    if proof.false:
        return _chip("hm-bad", term("does not hold", FALSE))
    assert proof.level is not None
    shown = f"✓ {LEVELS[proof.level]}"
    return _chip("hm-good", term(shown, MEANINGS[proof.level]))


def _chip(look: str, said: Markup) -> Markup:
    return Markup('<span class="hm-chip hm-proof {}">{}</span>').format(look, said)


def evidence(proof: Verified) -> Markup:
    """What was checked, when and with what, and how anyone checks it again."""
    commit = f"{proof.merge}@{proof.sha[:12]}"
    folder = f"{endpoint()}/{quote(proof.merge)}/blob/{quote(proof.sha)}"
    checked = ", ".join(f"{count(n)} {outcome}" for outcome, n in sorted(proof.checks.items()))
    versions = ", ".join(f"{name} {version}" for name, version in sorted(proof.versions.items()))
    pairs = [
        ("Commit", Markup("<code>{}</code>").format(text(proof.sha[:12]))),
        ("Checked", text(checked)),
        ("On", text(time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(proof.when)))),
        ("Repeat it", Markup("<code>hubmerge verify {}</code>").format(text(commit))),
        (
            "Published",
            join(
                [link(f"{folder}/README.md", "card"), link(f"{folder}/report.json", "report")],
                ", ",
            ),
        ),
    ]
    if versions:
        pairs.insert(3, ("With", text(versions)))
    if proof.why:
        open_ = "Does not hold" if proof.false else "Not checked"
        pairs.insert(2, (open_, text("; ".join(proof.why))))
    return facts(pairs)
