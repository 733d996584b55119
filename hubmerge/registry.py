"""Registries: what there is of each kind of thing that others can add to.

A registry knows names from the files in a folder (the file's name, with hyphens for underscores)
and from the entry points of installed packages (`hubmerge.matchers`, `hubmerge.fusions`, ...). It
lists names and one-line descriptions without importing any of these files, so that
`hubmerge --help` does not wait for torch; a file is imported when its method is used.

    >>> registry("fusions").names()[:3]
    ('average', 'breadcrumbs', 'dare')
    >>> registry("fusions").get("slerp").needs
    'data-free'

The order of names is a rule, because `fuse: auto` keeps the earliest of equals: first those a
registry names as its `first`, then what comes with hubmerge, then plugins, each in alphabetical
order.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Generic, TypeVar

from hubmerge.errors import FamilyError, HubmergeError, RecipeError, SpecError
from hubmerge.utils.suggestions import did_you_mean

T = TypeVar("T")
R = TypeVar("R")

ROOT = Path(__file__).resolve().parent
GROUP = "hubmerge."
"""What the groups of entry points begin with; the registry's name follows."""


@dataclass(frozen=True)
class Plugin:
    """An installed package that adds to a registry: its name for pip, and its version."""

    package: str
    version: str

    def __str__(self) -> str:
        return f"{self.package} {self.version}"


@dataclass(frozen=True)
class RegistryEntry:
    """A name in a registry, and where what it stands for lies; nothing of it is imported.

    module: dotted name; of a file that is no Python, the package it lies in. path: None, if the
    source cannot be found without importing it. plugin: None for what comes with hubmerge.
    """

    name: str
    module: str
    path: Path | None
    plugin: Plugin | None = None

    @property
    def place(self) -> str:
        """Where it is from, as errors quote it."""
        where = str(self.path or self.module)
        return f"{where} ({self.plugin})" if self.plugin else where


@dataclass(frozen=True)
class Description:
    """What the source of a method says of it, read without importing it.

    summary: first line of the docstring. settings: the decorator's keyword arguments, constants as
    they are and names as strings. parameters: of the function, by name.
    """

    summary: str
    decorator: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """Where the method is described: arXiv numbers and sections."""
        return str(self.settings.get("source", ""))


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
        for entry in sorted(self._in_plugins(), key=lambda each: each.name):
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
        if found in self.words or (self.noun, name) in _absent.get():
            return found
        return self.entry(found).name

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
        return _described(entry.path, self.decorators)

    def get(self, name: str) -> T:
        """What is called `name`; its file is imported now, if it is not yet.

        Raises: `missing`, with the nearest names; `broken`, if a plugin cannot be imported or a
        file registers nothing.
        """
        entry = self.entry(name)
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

    def all(self) -> dict[str, T]:
        """All of them, by name. Imports all files."""
        return {name: self.get(name) for name in self.entries()}

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
            for path in sorted(folder.glob(f"*{self.suffix}"), key=lambda each: each.stem):
                if path.name.startswith("_"):
                    continue
                name = path.stem.replace("_", "-") if self.suffix == ".py" else path.stem
                entry = RegistryEntry(name, f"{package}.{path.stem}", path)
                if name in found:
                    raise self._clash(name, found[name], entry)
                found[name] = entry
        return found.values()

    def _in_plugins(self, *, disallowed: bool = False) -> Iterable[RegistryEntry]:
        for point in _entry_points().get(GROUP + self.name, ()):
            assert point.dist is not None
            plugin = Plugin(point.dist.name, point.dist.version)
            if disallowed or _is_allowed(plugin.package):
                path = _located(point.module)
                if path is not None and self.suffix != ".py":
                    path = _beside(path, point.name, self.suffix)
                yield RegistryEntry(point.name, point.module, path, plugin)

    def _by_module(self) -> dict[str, RegistryEntry]:
        every = (*self._in_plugins(disallowed=True), *self._in_folders())
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
            f"there is no {self.noun} {name!r}",
            found=f"{self.name.replace('_', '-')}: {', '.join(names)}",
            hint=did_you_mean(name, [*names, *self.aliases]),
        )

    def _clash(self, name: str, one: RegistryEntry, other: RegistryEntry) -> HubmergeError:
        return self.broken(
            f"two files claim the {self.noun} {name!r}",
            found=f"{one.place} and {other.place}",
            hint="uninstall one of them" if one.plugin else "rename one of them",
        )


# Plugins

_allowed: frozenset[str] | None = None


_absent: ContextVar[frozenset[tuple[str, str]]] = ContextVar("absent", default=frozenset())


@contextmanager
def naming_absent(methods: Iterable[tuple[str, str]]) -> Iterator[None]:
    """Inside, a recipe may name these methods, which are not installed here.

    methods: pairs of what it is, such as "fusion", and its name.
    """
    token = _absent.set(frozenset(methods))
    try:
        yield
    finally:
        _absent.reset(token)


def allow_plugins(packages: Iterable[str] | None) -> None:
    """Lets only these installed packages add to the registries of this process; None: all of them.

    All are let in by default. What is installed is looked up anew.
    """
    global _allowed
    _allowed = None if packages is None else frozenset(_normal(each) for each in packages)
    _entry_points.cache_clear()
    _located.cache_clear()


def installed_plugins() -> tuple[str, ...]:
    """Names of all installed packages that add to a registry, let in or not."""
    points = (point for group in _entry_points().values() for point in group)
    return tuple(sorted({point.dist.name for point in points if point.dist is not None}))


def _is_allowed(package: str) -> bool:
    return _allowed is None or _normal(package) in _allowed


def _normal(package: str) -> str:
    return package.lower().replace("_", "-").replace(".", "-")


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, tuple[EntryPoint, ...]]:
    """Group -> the entry points of installed packages in it, for hubmerge's groups."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    seen: set[str] = set()
    for package in distributions():
        if f"[{GROUP}" not in (package.read_text("entry_points.txt") or ""):
            continue
        name = _normal(package.name)
        if name in seen:  # installed twice: the earlier one on the path counts
            continue
        seen.add(name)
        for point in package.entry_points:
            found[point.group] = (*found.get(point.group, ()), point)
    return found


@lru_cache(maxsize=256)
def _located(module: str) -> Path | None:
    """The source of a module, or the folder of a package; none of it is imported."""
    top, *rest = module.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if not rest and not spec.submodule_search_locations:
        return Path(spec.origin) if spec.origin else None
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *rest)
        if path.is_dir():
            return path
        if path.with_suffix(".py").is_file():
            return path.with_suffix(".py")
    return None


def _beside(place: Path, name: str, suffix: str) -> Path:
    """The file called `name` in a package, hyphens or underscores."""
    folder = place if place.is_dir() else place.parent
    given = folder / f"{name}{suffix}"
    other = folder / f"{name.replace('-', '_')}{suffix}"
    return other if other.is_file() and not given.is_file() else given


# Sources


@lru_cache(maxsize=512)
def _described(path: Path, decorators: tuple[str, ...]) -> Description:
    """What a file says of the method it registers: its function's docstring and decorator."""
    path = path / "__init__.py" if path.is_dir() else path
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        comment = [line.lstrip("# ") for line in text.split("\n\n", 1)[0].splitlines()]
        return Description(" ".join(comment))
    tree = ast.parse(text, str(path))
    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for each in node.decorator_list:
            call = each if isinstance(each, ast.Call) else None
            called = _name_of(call.func if call else each)
            if called in decorators:
                return Description(
                    _first_line(node),
                    called,
                    {k.arg: _constant(k.value) for k in call.keywords if k.arg} if call else {},
                    _parameters(node),
                )
    return Description(_stated(tree, decorators) or _first_line(tree))


def _stated(tree: ast.Module, decorators: tuple[str, ...]) -> str:
    """The `summary=` of what a file registers by a call instead of a decorator."""
    calls = (node.value for node in tree.body if isinstance(node, ast.Assign | ast.Expr))
    for call in calls:
        if isinstance(call, ast.Call) and _name_of(call.func) in decorators:
            for each in ast.walk(call):
                if isinstance(each, ast.keyword) and each.arg == "summary":
                    return str(_constant(each.value))
    return ""


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Module) -> str:
    return (ast.get_docstring(node) or "").partition("\n")[0]


def _constant(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return _name_of(node) or ast.unparse(node)


def _parameters(node: ast.AST) -> tuple[str, ...]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return ()
    args = node.args
    return tuple(each.arg for each in (*args.posonlyargs, *args.args, *args.kwonlyargs))


# The registries

_REGISTRIES: dict[str, Registry[Any]] = {
    each.name: each
    for each in (
        Registry[Any](
            "matchers",
            noun="matcher",
            folder="matching/methods",
            decorators=("matcher", "learner"),
            words=("auto", "none"),
        ),
        Registry[Any](
            "multi_matchers",
            noun="multi-matcher",
            folder="matching/multi/methods",
            decorators=("multi_matcher",),
            words=("auto",),
        ),
        Registry[Any](
            "fusions",
            noun="fusion",
            folder="fuse/methods",
            decorators=("fusion",),
            first=("average",),
            words=("auto",),
            aliases={"linear": "average", "dare-linear": "dare"},
        ),
        Registry[Any](
            "repairs",
            noun="repair",
            folder="repair/methods",
            decorators=("repair",),
            words=("auto", "none"),
        ),
        Registry[Any](
            "curves", noun="curve", folder="landscape/curves/methods", decorators=("curve",)
        ),
        Registry[Any]("tasks", noun="task", folder="tasks", decorators=("register",)),
        Registry[Any](
            "families",
            noun="family",
            folder="model_specs",
            suffix=".toml",
            reader="hubmerge.specs.family:read_family",
            variable="HUBMERGE_SPECS",
            missing=FamilyError,
            broken=SpecError,
        ),
    )
}


def registry(name: str) -> Registry[Any]:
    """The registry called `name`: "matchers", "fusions", ... Raises: KeyError, if there is none."""
    return _REGISTRIES[name]


def registries() -> tuple[Registry[Any], ...]:
    """All of them."""
    return tuple(_REGISTRIES.values())
