"""What others wrote is shown as what it is, and never acted upon."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from spaces_app.page import attempt_view, curve_view, gallery_view, markup
from spaces_app.page.report_view import at
from spaces_app.page.search import offer
from spaces_app.service.hub import Exhibit
from spaces_app.service.job import Refusal
from tests.report.example import example

EVIL = "<script>alert(1)</script>\"' onload=x \x1b[31m\u202e"
hostile = st.text(max_size=30) | st.just(EVIL)


class Elements(HTMLParser):
    """Names and attributes of what a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))


def shape(html: object) -> list[tuple[str, tuple[str, ...]]]:
    return Elements(str(html)).found


@given(hostile)
def test_no_text_changes_the_markup_around_it(text: str) -> None:
    plain = "x"
    for view in (
        lambda said: markup.refusal(Refusal(kind="k", what=said, found="f", hint="h")),
        lambda said: attempt_view.render({said: [(said, 0.5)]}),
        lambda said: gallery_view.render([Exhibit(said, (said,), said, 0.1, 0.1, 5, said)]),
        lambda said: offer("pick-a", [said]),
        lambda said: markup.on_hub(said),
    ):
        assert shape(view(text)) == shape(view(plain))
    assert "\x1b" not in markup.text(text)
    assert "\u202e" not in markup.text(text)


def test_a_curve_has_no_line_where_nothing_was_measured() -> None:
    whole = [(step / 10, 1.0) for step in range(11)]
    assert str(curve_view.draw({"naive": whole})).count("<polyline") == 1
    torn = [whole[0], whole[1], whole[10]]
    assert str(curve_view.draw({"naive": torn})).count("<polyline") == 2


def test_reading_between_points_is_on_the_line_and_says_so() -> None:
    curve = example().barrier.detail.matched
    assert curve is not None
    for point in curve.points:
        assert at(curve, point.lam) == (point.loss, point.accuracy, True)
    left, right = sorted(curve.points, key=lambda point: point.lam)[:2]
    loss, _, measured = at(curve, (left.lam + right.lam) / 2)
    assert not measured
    assert abs(loss - (left.loss + right.loss) / 2) < 1e-9
