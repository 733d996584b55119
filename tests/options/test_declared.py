"""An option is declared once, on its field, and found wherever options are shown."""

from __future__ import annotations

import importlib
from typing import Annotated

import gradio as gr
import pytest
import typer
from typer.testing import CliRunner

import hubmerge as hm
from hubmerge.cli.command import command
from hubmerge.cli.merge import command_for
from hubmerge.cli.options import all_options, option_name
from hubmerge.options.declared import GROUPS, MODELS, Option, documented, options_of
from hubmerge.recipe import Recipe
from hubmerge.registry import registry
from spaces_app.ui.advanced_panel import panel_options, values_of
from tests.helpers.pages import ROOT

HELP = "How bright the merge shall shine."


class Brighter(Recipe):
    """A recipe with one option more."""

    brightness: Annotated[int, Option(HELP, group=MODELS)] = 3


def help_of(function: object) -> str:
    app = typer.Typer(rich_markup_mode=None)
    app.command()(function)  # type: ignore[type-var]
    return CliRunner().invoke(app, ["--help"], terminal_width=200).output


def test_a_new_field_is_an_option_of_the_command_line() -> None:
    assert "--brightness" in help_of(command_for(Brighter))
    assert HELP in help_of(command_for(Brighter))
    assert "--brightness" not in help_of(command_for(Recipe))
    app, made = typer.Typer(), []
    app.command()(command(made.append, Brighter))
    app(["o/a", "o/b", "--brightness", "7"], standalone_mode=False)
    assert made == [Brighter(models=("o/a", "o/b"), brightness=7)]


def test_a_new_field_is_in_the_table_of_the_docs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    make_pages = importlib.import_module("make_pages")
    assert f"| `brightness` | `3` | `--brightness` | {HELP} |" in make_pages.fields(Brighter)


def test_a_new_field_is_on_the_page() -> None:
    fold = importlib.import_module("spaces_app.ui.advanced_panel")
    shown = panel_options(Brighter)["brightness"]
    with gr.Blocks():
        component = fold._component("brightness", shown)
    assert (component.label, component.info) == ("Brightness", HELP)
    typed = ["7" if name == "brightness" else None for name in panel_options(Brighter)]
    assert values_of(typed, Brighter) == {"brightness": 7}


def test_a_new_field_is_described_to_programs() -> None:
    assert f"brightness: {HELP}" in (Brighter.__doc__ or "")

    @documented(Brighter)
    def shine(brightness: int) -> None:
        """Shines."""

    assert shine.__doc__ == f"Shines.\n\nParameters:\n    brightness: {HELP}"


@pytest.mark.parametrize("function", [hm.match, hm.merge])
def test_parameters_are_described_by_the_options_they_stand_for(function: object) -> None:
    known = options_of(Recipe)
    assert f"heads: {known['heads'].option.help}" in (function.__doc__ or "")
    assert f"dataset: {known['dataset.id'].option.help}" in (function.__doc__ or "")


def test_every_option_is_in_a_group_and_ten_come_first() -> None:
    options = all_options().values()
    assert {option.option.group for option in options} <= set(GROUPS)
    merging = [*options_of(Recipe).values(), *options_of(hm.Destination).values()]
    assert sum(option.option.top for option in merging) == 10


def test_what_choices_mean_is_said_of_every_word() -> None:
    for option in all_options().values():
        if option.words:
            assert set(option.option.choices) == set(option.words), option.field
        if option.option.registry:
            assert set(option.option.choices) == set(registry(option.option.registry).words)


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("dataset", "--dataset"),
        ("dataset.text_column", "--text-column"),
        ("dataset.config", "--dataset-config"),
        ("lam", "--lambda"),
        ("lambda", "--lambda"),
        ("fuse_options", "--fuse-option"),
        ("private", "--private"),
        ("out", "--out"),
        ("curve", "--curve"),
        ("shas", "shas"),
    ],
)
def test_fields_by_their_names_on_the_command_line(field: str, name: str) -> None:
    assert option_name(field) == name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("linear", "average"),
        ("dare_linear", "dare"),
        ("dare_ties", "dare-ties"),
        ("task_arithmetic", "task-arithmetic"),
        ("model_stock", "model-stock"),
        ("slerp", "slerp"),
    ],
)
def test_names_of_mergekit_are_taken_for_ours(given: str, name: str) -> None:
    assert Recipe(models=("a", "b"), fuse=given).fuse == name
