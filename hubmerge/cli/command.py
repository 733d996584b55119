"""A command made from declared options: its parameters, its help, and the objects they make."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from hubmerge.cli.options import Output, RecipeFile, note, settle, took
from hubmerge.cli.values import read
from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.printable import printable
from hubmerge.hub.destination import Destination
from hubmerge.jobs.options import Consent, Machine
from hubmerge.options.declared import GROUPS, OUTPUT, DeclaredOption, options_of
from hubmerge.recipe import Recipe, RecipePart, make, read_recipe

MOST_NEEDED = "Most needed"
"""The panel that comes first."""
TRUST = "trust_remote_code"
"""The option that a recipe does not decide for the person who runs it."""
SHARED = (Recipe, Destination)
"""What commands take parts of: see `Option.also`."""


class Command(TyperCommand):
    """Shows its own options before `--help`, by panel also where there are no boxes."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes plain help, a section per panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for each in self.get_params(ctx):
            record = each.get_help_record(ctx)
            if record is not None:
                panel = getattr(each, "rich_help_panel", None) or "Arguments"
                panels.setdefault(panel, []).append(record)
        for panel, records in panels.items():
            with formatter.section(panel):
                formatter.write_dl(records)

    def get_help_option(self, ctx: Any) -> Any:
        """The option, among those about what is printed."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = OUTPUT  # type: ignore[attr-defined]
        return option


Keys = dict[str, DeclaredOption]
"""Parameter of a function -> option."""


def command(
    act: Callable[..., None],
    *kinds: type,
    takes: Collection[str] | None = None,
    examples: Sequence[str] = (),
) -> Callable[..., None]:
    """A command with the options of several classes.

    Parameters:
        act: is given an instance of each of `kinds` in their order, but none of `RecipeFile`.
        takes: marks of the options of a recipe and a destination that it takes; None: it takes all.
        examples: command lines, for the end of the help.
    """
    found = {kind: _keys(kind, takes) for kind in kinds}
    keys = {key: option for each in found.values() for key, option in each.items()}

    def run(context: typer.Context, **given: Any) -> None:
        typed = {
            keys[name].field: read(keys[name], value)
            for name, value in given.items()
            if str(context.get_parameter_source(name)).endswith("COMMANDLINE")
        }
        made = [_made(kind, found[kind], typed) for kind in kinds if kind is not RecipeFile]
        output = next((each for each in made if isinstance(each, Output)), Output())
        settle(quiet=output.quiet, json=output.json)
        act(*made)
        if (seconds := took()) is not None:
            note(f"took {seconds}")

    parameters = [
        inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context),
        *(_parameter(key, option) for key, option in sorted(keys.items(), key=_place)),
    ]
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__doc__ = act.__doc__
    run.examples = tuple(examples)  # type: ignore[attr-defined]
    return run


def _keys(kind: type, takes: Collection[str] | None) -> Keys:
    """The options of a class that a command has, by the name of its parameter."""
    part = takes is not None and issubclass(kind, SHARED)
    return {
        option.field.replace(".", "__"): option
        for option in options_of(kind).values()
        if (option.flags or option.option.positional)
        and not (part and set(takes or ()).isdisjoint(option.option.also))
    }


def _place(item: tuple[str, DeclaredOption]) -> tuple[bool, bool, int]:
    """Where an option stands in help; those alike stay in the order of their fields."""
    option = item[1].option
    return not option.positional, not option.top, GROUPS.index(option.group)


def _parameter(key: str, option: DeclaredOption) -> inspect.Parameter:
    default = None if option.required or option.repeats else option.default
    kind: Any = option.typed
    if option.required and option.option.positional and not option.repeats:
        default = inspect.Parameter.empty
    elif not isinstance(default, bool | int | float | str | Path):
        default, kind = None, kind | None
    elif kind is str:
        default = str(default)
    return inspect.Parameter(
        key,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, _info(option)],
    )


def _info(option: DeclaredOption) -> Any:
    """An option as typer has it."""
    shown: dict[str, Any] = {"help": option.described(), "metavar": option.option.metavar}
    if option.repeats and not option.option.positional:
        shown["help"] += " May be repeated."
    if option.option.positional:
        return typer.Argument(**shown, show_default=False)
    panel = MOST_NEEDED if option.option.top else option.option.group
    return typer.Option(
        *option.flags, **shown, rich_help_panel=panel, autocompletion=_completion(option)
    )


def _completion(option: DeclaredOption) -> Callable[[str], list[tuple[str, str]]] | None:
    """What completes a value of the option; None where there is nothing to choose from."""
    if not (option.option.registry or option.option.choices or option.words):
        return None

    def complete(incomplete: str) -> list[tuple[str, str]]:
        choices = option.choices().items()
        return [(name, meaning) for name, meaning in choices if name.startswith(incomplete)]

    return complete


def _made(kind: Any, keys: Keys, typed: Mapping[str, Any]) -> Any:
    """An instance of one class from what was typed. Raises: RecipeError."""
    decided = [option for option in keys.values() if option.field in typed]
    if issubclass(kind, Recipe):
        return _recipe(kind, decided, typed)
    fields = {option.field: typed[option.field] for option in decided}
    return make(kind, fields) if issubclass(kind, RecipePart) else kind(**fields)


def _recipe(kind: type[Recipe], decided: list[DeclaredOption], typed: Mapping[str, Any]) -> Recipe:
    """The recipe from its file, or from what was typed. Raises: RecipeError."""
    file = typed.get("recipe")
    if file is not None:
        _refuse_beside(file, decided, typed)
        return read_recipe(
            file,
            places(typed.get("folders", ())),
            trust_remote_code=typed.get(TRUST, False),
            confirm=confirm_places(),
        )
    if "folders" in typed:
        raise RecipeError(
            "--map says where folders of a recipe lie", hint="--recipe FILE --map ..."
        )
    models = typed.get("models", ())
    if len(models) < 2:
        raise RecipeError(
            "two models are needed",
            found=" ".join(models or ["none"]),
            hint="hubmerge merge ORG/A ORG/B",
        )
    return make(kind, dict(_nested(decided, typed)))


def places(given: Sequence[str]) -> dict[str, str]:
    """Name -> folder, of what was typed for --map. Raises: RecipeError."""
    found: dict[str, str] = {}
    for each in given:
        name, equals, folder = each.partition("=")
        if not (name and equals and folder):
            raise RecipeError(f"--map {each}", hint="NAME=FOLDER, such as left=/models/left")
        if not Path(folder).expanduser().exists():
            raise NotFoundError(f"--map {each}", found=f"there is no folder {folder!r}")
        if name in found:
            raise RecipeError(
                f"--map {name} was given twice",
                hint="folders of one name are told apart by role, such as model_b=/models/b",
            )
        found[name] = folder
    return found


def confirm_places() -> Callable[[Mapping[str, str]], bool] | None:
    """Asks on a terminal whether places that a recipe names may be opened; None without one."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if not terminal or os.environ.get("WORLD_SIZE", "1") != "1":
        return None

    def ask(places: Mapping[str, str]) -> bool:
        named = "\n".join(f"  {role}: {place}" for role, place in places.items())
        said = "The recipe names places of this machine that do not lie in its own folder:"
        return typer.confirm(printable(f"{said}\n{named}\nOpen them?"), err=True)

    return ask


def _refuse_beside(file: Path, decided: list[DeclaredOption], typed: Mapping[str, Any]) -> None:
    """Raises: RecipeError, if something was typed that the recipe decides."""
    if typed.get("models"):
        raise RecipeError(
            "models and --recipe were both given",
            found=f"{' '.join(typed['models'])} and {file}",
            hint="the recipe names its models: leave one of the two out",
        )
    if others := [option.flag for option in decided if option.field != TRUST]:
        raise RecipeError(
            "--recipe was given with options that it decides",
            found=f"{', '.join(others)} beside {file}",
            hint="leave them out, or write them into a copy of the recipe",
        )


def _nested(decided: list[DeclaredOption], typed: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Field -> value, those of a field's class together. Raises: RecipeError."""
    inner: dict[str, dict[str, Any]] = {}
    for option in decided:
        holder, _, name = option.field.rpartition(".")
        if not holder:
            yield name, typed[name]
        else:
            inner.setdefault(holder, {})[name] = typed[option.field]
    for holder, fields in inner.items():
        if "id" not in fields:
            first = next(option for option in decided if option.field.startswith(f"{holder}."))
            raise RecipeError(f"{first.flag} was given without --{holder}")
        yield holder, fields


def epilog(examples: Sequence[str]) -> str | None:
    """The end of a command's help."""
    return "\n\n".join(["Examples:", *examples]) if examples else None


def option(kind: type, field: str) -> Any:
    """One declared option, for a command whose parameters are written by hand."""
    return _info(options_of(kind)[field])


Json = Annotated[bool, option(Output, "json")]
Quiet = Annotated[bool, option(Output, "quiet")]
Folders = Annotated[list[str] | None, option(RecipeFile, "folders")]
TrustRemoteCode = Annotated[bool, option(Recipe, "trust_remote_code")]
On = Annotated[str | None, option(Machine, "on")]
Yes = Annotated[bool, option(Consent, "yes")]
Seed = Annotated[int, option(Recipe, "seed")]
