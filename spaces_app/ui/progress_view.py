"""A job under way: where it stands in the queue, what is being done, how long it will take."""

from __future__ import annotations

from markupsafe import Markup

from hubmerge.planning.resources import human
from hubmerge.reporting.numbers import count, duration
from hubmerge.utils.parent_names import listed
from spaces_app.service.job import State
from spaces_app.service.job_progress import STAGES, Bar, Seen
from spaces_app.service.jobs import Look
from spaces_app.ui import curve_view
from spaces_app.ui.markup import NONE, card, join, refusal, text

DAY = "it brings the result back for a day."
STOPPED = Markup("<p>Stopped. Nothing of it is left.</p>")


def render(look: Look) -> Markup:
    """The job now."""
    match look.job.state:
        case State.WAITING:
            return card("Waiting for its turn", join([_parents(look), _waiting(look)]))
        case State.RUNNING:
            return card("Merging", join([_parents(look), _running(look)]))
        case State.DONE:
            link = Markup("<p>{}</p>").format(_link(look))
            return card("Done", join([_parents(look), link]), "hm-good")
        case State.STOPPED:
            return card("Stopped", STOPPED)
        case State.FAILED:
            assert look.job.refusal is not None
            return refusal(look.job.refusal, "This did not come about")


def _parents(look: Look) -> Markup:
    names = [str(model["id"]) for model in look.job.plan["models"]]
    return Markup("<p>{}</p>").format(text(listed(names)))


def _link(look: Look) -> Markup:
    """To this job; the address of a page that another shows within itself does not lead to it."""
    return Markup(
        '<a href="?job={}" target="_blank" rel="noopener">A link to this merge</a>: {}'
    ).format(look.job.id, DAY)


def _waiting(look: Look) -> Markup:
    place = "You are next." if not look.before else f"{look.before} before you."
    said = "Everybody's first merge comes before anybody's second."
    return Markup('<p role="status"><strong>{}</strong></p><p class="hm-quiet">{} {}</p>').format(
        place, said, _link(look)
    )


def _running(look: Look) -> Markup:
    seen = look.seen
    left = "not known yet" if look.left is None else f"about {duration(look.left)}"
    head = Markup('<p role="status">Time left: <strong>{}</strong></p>').format(left)
    curves: dict[str, list[tuple[float, float]]] = {
        name: [(lam, loss) for lam, loss, _ in seen.points[name]]
        for name in ("naive", "matched")
        if name in seen.points
    }
    growing = curve_view.draw(curves) if curves else NONE
    note = Markup('<p class="hm-quiet">{}</p>').format(_link(look))
    return join([head, _stages(seen), growing, note])


def _stages(seen: Seen) -> Markup:
    names = list(STAGES)
    now = names.index(seen.stage) if seen.stage in names else -1
    return Markup('<ol class="hm-stages">{}</ol>').format(
        join(_stage(name, place - now, seen) for place, name in enumerate(names))
    )


def _stage(name: str, ahead: int, seen: Seen) -> Markup:
    if ahead > 0:
        return Markup('<li class="hm-later">{}</li>').format(STAGES[name])
    if ahead < 0:
        took = seen.seconds.get(name)
        return Markup('<li class="hm-past">{} <span class="hm-quiet">{}</span></li>').format(
            STAGES[name], duration(took) if took is not None else ""
        )
    bars = join(_bar(bar) for bar in (seen.bar, seen.inner) if bar is not None)
    return Markup('<li class="hm-now" aria-current="step">{}{}</li>').format(STAGES[name], bars)


def _bar(bar: Bar) -> Markup:
    if bar.unit == "B":
        amount = f"{human(bar.done)} of {human(bar.total)}"
    else:
        unit = "" if bar.unit == "it" else f" {bar.unit}s"
        amount = f"{count(bar.done)} of {count(bar.total)}{unit}"
    return Markup(
        '<div class="hm-bar"><progress max="1" value="{}" aria-label="{}"></progress>'
        "<span>{} <span>{}</span></span></div>"
    ).format(f"{bar.share:.4f}", text(bar.what), text(bar.what), amount)
