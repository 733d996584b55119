"""A job on the page: place in the queue, stages, estimated time left."""

from __future__ import annotations

from markupsafe import Markup

from hubmerge.planning.resources import human
from hubmerge.reporting.numbers import count, duration
from hubmerge.utils.parent_names import listed
from spaces_app.service.job import State
from spaces_app.service.job_progress import STAGES, Bar, JobProgress
from spaces_app.service.jobs import JobStatus
from spaces_app.ui import curve_view
from spaces_app.ui.markup import NONE, card, join, refusal, text

DAY = "valid for a day."
STOPPED = Markup("<p>Stopped, and its files removed.</p>")


def render(status: JobStatus) -> Markup:
    """The status of a job."""
    match status.job.state:
        case State.WAITING:
            return card("Waiting", join([_parents(status), _waiting(status)]))
        case State.RUNNING:
            return card("Merging", join([_parents(status), _running(status)]))
        case State.DONE:
            link = Markup("<p>{}</p>").format(_link(status))
            return card("Done", join([_parents(status), link]), "hm-good")
        case State.STOPPED:
            return card("Stopped", STOPPED)
        case State.FAILED:
            assert status.job.refusal is not None
            return refusal(status.job.refusal, "This merge failed")


def _parents(status: JobStatus) -> Markup:
    names = [str(model["id"]) for model in status.job.plan["models"]]
    return Markup("<p>{}</p>").format(text(listed(names)))


def _link(status: JobStatus) -> Markup:
    """A link to this job: on a Space, the address bar shows the surrounding site."""
    return Markup(
        '<a href="?job={}" target="_blank" rel="noopener">Link to this merge</a>, {}'
    ).format(status.job.id, DAY)


def _waiting(status: JobStatus) -> Markup:
    before = status.queue_position
    place = f"Merges before this one: {before}" if before else "This merge is next."
    said = "The first merge of every visitor comes before the second of any."
    return Markup('<p role="status"><strong>{}</strong></p><p class="hm-quiet">{} {}</p>').format(
        place, said, _link(status)
    )


def _running(status: JobStatus) -> Markup:
    progress = status.progress
    left = (
        "not known yet" if status.seconds_left is None else f"about {duration(status.seconds_left)}"
    )
    head = Markup('<p role="status">Time left: <strong>{}</strong></p>').format(left)
    curves: dict[str, list[tuple[float, float]]] = {
        name: [(lam, loss) for lam, loss, _ in progress.points[name]]
        for name in ("naive", "matched")
        if name in progress.points
    }
    growing = curve_view.draw(curves) if curves else NONE
    note = Markup('<p class="hm-quiet">{}</p>').format(_link(status))
    return join([head, _stages(progress), growing, note])


def _stages(progress: JobProgress) -> Markup:
    names = list(STAGES)
    now = names.index(progress.stage) if progress.stage in names else -1
    return Markup('<ol class="hm-stages">{}</ol>').format(
        join(_stage(name, place - now, progress) for place, name in enumerate(names))
    )


def _stage(name: str, ahead: int, progress: JobProgress) -> Markup:
    if ahead > 0:
        return Markup('<li class="hm-later">{}</li>').format(STAGES[name])
    if ahead < 0:
        took = progress.seconds.get(name)
        return Markup('<li class="hm-past">{} <span class="hm-quiet">{}</span></li>').format(
            STAGES[name], duration(took) if took is not None else ""
        )
    bars = join(_bar(bar) for bar in (progress.bar, progress.inner) if bar is not None)
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
