"""One class for every registry: its names, their descriptions, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from hubmerge.errors import HubmergeError, RecipeError
from hubmerge.errors.wording import quoted
from hubmerge.registry.descriptions import Description, described
from hubmerge.registry.entry import Plugin, RegistryEntry
from hubmerge.registry.plugins import is_absent, plugin_entries
from hubmerge.utils.suggestions import did_you_mean

T = TypeVar("T")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parent.parent
"""The folder of the package hubmerge."""


class Registry(Generic[T]):
    """All of one kind of thing, by name: from a folder, and from entry points of one group.

    Parameters:
        name: of the registry, plural: "fusions". Its group of entry points is "hubmerge.fusions".
        noun: one of them, as errors say it: "fusion".
        folder: where its files lie, relative to the package.
        decorators: names of the functions that register one of them; () if nothing does, and files
            are read by `reader`.
        first: names that come before all others, in this order.
        words: what may stand in place of a name in a recipe: "auto", "none".
        aliases: other names, such as another tool's -> the name here.
        reader: "module:function" that makes one of them of a path, for files that are no Python.
        suffix: of the files.
        variable: environment variable that names further folders.
        missing, broken: errors for an unknown name, and for a file that cannot be used.
    """

    def __init__(
        self,
        name: str,
        *,
        noun: str,
        folder: str,
        decorators: tuple[str, ...] = (),
        first: tuple[str, ...] = (),
        words: tuple[str, ...] = (),
        aliases: Mapping[str, str] | None = None,
        reader: str | None = None,
        suffix: str = ".py",
        variable: str | None = None,
        missing: type[HubmergeError] = RecipeError,
        broken: type[HubmergeError] = RecipeError,
    ) -> None:
        self.name, self.noun, self.folder = name, noun, folder
        self.decorators, self.first, self.words = decorators, first, words
        self.aliases, self.reader = dict(aliases or {}), reader
        self.suffix, self.variable = suffix, variable
        self.missing, self.broken = missing, broken
        self._registered: dict[str, T] = {}
        self._outside: dict[str, RegistryEntry] = {}

    # Names

    def names(self) -> tuple[str, ...]:
        """All names, in the registry's order."""
        return tuple(self.entries())

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.canonical(name) in self.entries()

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries())

    def entries(self) -> dict[str, RegistryEntry]:
        """Every name with its place, in the registry's order.

        A plugin cannot take the name of what comes with hubmerge: that stays what it is.
        Raises: `broken`, if two files or two packages claim one name.
        """
        own = {entry.name: entry for entry in self._in_folders()}
        plugins: dict[str, RegistryEntry] = {}
        for entry in sorted(plugin_entries(self.name, self.suffix), key=lambda each: each.name):
            if entry.name in own:
                continue
            if entry.name in plugins:
                raise self._clash(entry.name, plugins[entry.name], entry)
            plugins[entry.name] = entry
        found = {**own, **plugins, **self._outside}
        return {name: found[name] for name in (*self.first, *found) if name in found}

    def entry(self, name: str) -> RegistryEntry:
        """Where what is called `name` lies. Raises: `missing`, with the nearest names."""
        entries = self.entries()
        found = entries.get(self.canonical(name))
        if found is None:
            raise self.unknown(name, entries)
        return found

    def canonical(self, name: str) -> str:
        """The name that `name` is another form of: an alias, or underscores; else itself."""
        hyphened = name.replace("_", "-") if self.suffix == ".py" else name
        return self.aliases.get(hyphened, hyphened) if hyphened not in self.words else name

    def named(self, name: str) -> str:
        """The name of the method, or the word, that a recipe calls `name`.

        Raises: as `entry`; not for a method that `naming_absent` has announced.
        """
        found = self.canonical(name)
        if found in self.words or is_absent(self.noun, name):
            return found
        return self.entry(name).name  # which quotes it as it was given

    def plugin(self, name: str) -> Plugin | None:
        """The package that adds `name`; None for what comes with hubmerge, and for `words`."""
        found = self.entries().get(self.canonical(name))
        return found.plugin if found else None

    # What names stand for

    def describe(self, name: str) -> Description:
        """What its source says of it. Imports nothing. Raises: `missing`."""
        entry = self.entry(name)
        if entry.path is None:
            return Description(f"From {entry.plugin}.")
        return described(entry.path, self.decorators)

    def get(self, name: str) -> T:
        """What is called `name`; its file is imported now, if it is not yet.

        Raises: `missing`, with the nearest names; `broken`, if a plugin cannot be imported or a
        file registers nothing.
        """
        return self._made(self.entry(name))

    def all(self) -> dict[str, T]:
        """All of them, by name. Imports all files."""
        return {name: self._made(entry) for name, entry in self.entries().items()}

    def _made(self, entry: RegistryEntry) -> T:
        if self.reader is not None:
            return self._guarded(entry, lambda: self._read(entry))
        if entry.name not in self._registered:
            self._guarded(entry, lambda: import_module(entry.module))
        if entry.name not in self._registered:
            raise self.broken(
                f"{entry.place} registers no {self.noun} {entry.name!r}",
                hint=f"one function decorated with @{self.decorators[0]}(...)",
            )
        return self._registered[entry.name]

    def add(
        self, function: Callable[..., Any] | type, make: Callable[[str], T], name: str | None
    ) -> None:
        """Registers what `make` makes of a name, for the file that `function` is defined in.

        name: None for the file's. For the decorators of a registry; of a module that is neither in
        the folder nor an entry point, such as a notebook, what it registers is known as well.
        Raises: ValueError, if `name` is not the file's.
        """
        module = function.__module__
        entry = self._by_module().get(module)
        own = entry.name if entry else name or module.rpartition(".")[2].replace("_", "-")
        if name is not None and name != own:
            raise ValueError(f"{module} registers the {self.noun} {name!r} but is called {own!r}")
        self._registered[own] = make(own)
        if entry is None:
            self._outside[own] = RegistryEntry(own, module, None)

    # How they are found

    @cached_property
    def path(self) -> Path:
        """The folder of what comes with hubmerge."""
        inside = ROOT / self.folder
        return inside if inside.is_dir() else ROOT.parent / self.folder

    def folders(self) -> list[Path]:
        """Where files are looked for. Raises: `broken`, if the variable names no folder."""
        value = os.environ.get(self.variable, "") if self.variable else ""
        further = [Path(each) for each in value.split(os.pathsep) if each]
        for folder in further:
            if not folder.is_dir():
                raise self.broken(
                    f"{self.variable} names {str(folder)!r}",
                    found="there is no such folder",
                    hint=f"folders of {self.suffix[1:].upper()} files, separated by {os.pathsep!r}",
                )
        return [self.path, *further]

    def _in_folders(self) -> Iterable[RegistryEntry]:
        package = "hubmerge." + self.folder.replace("/", ".")
        found: dict[str, RegistryEntry] = {}
        for folder in self.folders():
            for entry in _entries(folder, frozenset(os.listdir(folder)), self.suffix, package):
                if entry.name in found:
                    raise self._clash(entry.name, found[entry.name], entry)
                found[entry.name] = entry
        return found.values()

    def _by_module(self) -> dict[str, RegistryEntry]:
        every = (*plugin_entries(self.name, self.suffix, disallowed=True), *self._in_folders())
        return {entry.module: entry for entry in every}

    def _read(self, entry: RegistryEntry) -> T:
        assert self.reader is not None
        if entry.path is None or not entry.path.is_file():
            raise FileNotFoundError(f"there is no {entry.name}{self.suffix} in {entry.module}")
        module, _, function = self.reader.partition(":")
        read: T = getattr(import_module(module), function)(entry.path)
        return read

    def _guarded(self, entry: RegistryEntry, load: Callable[[], R]) -> R:
        """What `load` makes. Raises: `broken`, if it fails for a plugin's entry."""
        try:
            return load()
        except HubmergeError:
            raise
        except Exception as error:
            if entry.plugin is None:
                raise
            raise self.broken(
                f"the {self.noun} {entry.name!r} cannot be loaded",
                found=f"{type(error).__name__}: {error}",
                source=entry.place,
            ) from error

    def unknown(self, name: str, known: Iterable[str]) -> HubmergeError:
        """The error for a `name` that is not among `known`, with the nearest of them."""
        names = [*self.words, *known]
        return self.missing(
            f"there is no {self.noun} {quoted(name)}",
            found=f"{self.name.replace('_', '-')}: {', '.join(names)}",
            hint=did_you_mean(name, [*names, *self.aliases]),
        )

    def _clash(self, name: str, one: RegistryEntry, other: RegistryEntry) -> HubmergeError:
        return self.broken(
            f"two files claim the {self.noun} {name!r}",
            found=f"{one.place} and {other.place}",
            hint="uninstall one of them" if one.plugin else "rename one of them",
        )


@lru_cache(maxsize=256)
def _entries(
    folder: Path, files: frozenset[str], suffix: str, package: str
) -> tuple[RegistryEntry, ...]:
    """What the `files` of a folder register, by name."""
    stems = [
        file.removesuffix(suffix)
        for file in files
        if file.endswith(suffix) and not file.startswith("_")
    ]
    found = [
        RegistryEntry(
            stem.replace("_", "-") if suffix == ".py" else stem,
            f"{package}.{stem}",
            folder / f"{stem}{suffix}",
        )
        for stem in stems
    ]
    return tuple(sorted(found, key=lambda entry: (entry.name, entry.module)))
