"""The picture: there when something was measured, the same bytes every time, and not blank."""

import io
from concurrent.futures import ThreadPoolExecutor

import matplotlib
import numpy as np
import pytest
from PIL import Image

from hubmerge.reporting.plots.barrier import BLUE, GREEN, GREY, VERMILION, can_plot, render_plot
from hubmerge.reporting.schema.contenders import Contender
from hubmerge.reporting.schema.report import Barriers
from tests.helpers.example_report import contenders, curve, data, example, of_three, unmeasured


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def ink(png, colour):
    """How many pixels have exactly `colour`."""
    target = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return int((pixels(png) == target).all(axis=-1).sum())


def test_the_same_report_gives_the_same_bytes_in_any_thread():
    with ThreadPoolExecutor(2) as pool:
        pictures = set(pool.map(lambda _: render_plot(example()), range(4)))
    assert len(pictures) == 1
    with Image.open(io.BytesIO(pictures.pop())) as image:
        assert f"version{matplotlib.__version__}" in image.info["Software"]


def test_both_curves_and_the_ensemble_are_drawn():
    picture = render_plot(example())
    for colour in (BLUE, VERMILION, GREEN):
        assert ink(picture, colour) > 500
    assert pixels(picture).shape[1] >= 1600  # sharp at twice a card's width


def luminance(colour):
    """Relative, of WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("page", ["#ffffff", "#0b0f19"])
def test_it_is_read_on_a_light_page_and_on_a_dark_one(page):
    picture = Image.open(io.BytesIO(render_plot(example())))
    assert picture.mode == "RGBA"
    assert picture.getpixel((0, 0))[3] == 0
    for colour in (BLUE, VERMILION, GREEN, GREY):
        dark, light = sorted((luminance(colour), luminance(page)))
        assert (light + 0.05) / (dark + 0.05) > 4


def test_only_what_was_measured_is_drawn():
    one = example(barrier=Barriers.of(naive=curve(1.0), matched=None))
    assert ink(render_plot(one), VERMILION) > 500
    assert ink(render_plot(one), BLUE) == 0
    alone = contenders().model_copy(update={"ensemble": Contender()})
    assert ink(render_plot(example(contenders=alone)), GREEN) == 0


def test_a_merge_off_the_path_is_a_star_of_its_own():
    matched = curve(0.4)
    at = next(point for point in matched.points if point.lam == 0.5)
    barrier = Barriers.of(naive=curve(1.0), matched=matched)
    drawn = {}
    for name, loss in (("on", at.loss), ("off", at.loss / 4)):
        merge = contenders().merge.model_copy(update={"loss": loss})
        measured = contenders().model_copy(update={"merge": merge})
        drawn[name] = ink(render_plot(example(barrier=barrier, contenders=measured)), BLUE)
    assert drawn["off"] > drawn["on"] + 500


def test_without_a_curve_there_is_no_plot():
    assert not can_plot(unmeasured())
    assert render_plot(unmeasured()) is None


@pytest.mark.parametrize("height", [0.0, 1e-6, 0.3, 40.0])
def test_curves_stay_inside_the_picture(height):
    barrier = Barriers.of(naive=curve(height), matched=curve(-0.01))
    image = pixels(render_plot(example(barrier=barrier)))
    edge = np.concatenate(
        [
            image[:4].reshape(-1, 3),
            image[:, :4].reshape(-1, 3),
            image[-4:].reshape(-1, 3),
            image[:, -4:].reshape(-1, 3),
        ]
    )
    assert (edge == 255).all()


def test_dollar_signs_are_no_formulas():
    report = example(verdict_sentence="$\\frac{1}{$: x", data=data(unit="$\\alpha$"))
    assert ink(render_plot(report), BLUE) > 500


def test_of_three_the_far_end_is_held_against_the_mixture_of_all():
    report = of_three()
    picture = render_plot(report)
    for colour in (BLUE, VERMILION, GREEN):
        assert ink(picture, colour) > 500
    other = report.method.model_copy(update={"weights": [0.9, 0.05, 0.05]})
    assert render_plot(of_three(method=other)) != picture  # the parents' accuracy there
