"""Installed packages that add to the registries: their entry points, and which are let in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from importlib.metadata import EntryPoint, distributions
from importlib.util import find_spec
from pathlib import Path

from hubmerge.registry.entry import Plugin, RegistryEntry

GROUP = "hubmerge."
"""What the groups of entry points begin with; the registry's name follows."""

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


def is_absent(noun: str, name: str) -> bool:
    """Whether `naming_absent` has announced this method."""
    return (noun, name) in _absent.get()


def plugin_entries(
    registry: str, suffix: str, *, disallowed: bool = False
) -> Iterator[RegistryEntry]:
    """The entries that installed packages add to a registry.

    suffix: of the registry's files. disallowed: whether those of packages that are not let in too.
    """
    for point in _entry_points().get(GROUP + registry, ()):
        assert point.dist is not None
        plugin = Plugin(point.dist.name, point.dist.version)
        if disallowed or _is_allowed(plugin.package):
            path = _located(point.module)
            if path is not None and suffix != ".py":
                path = _beside(path, point.name, suffix)
            yield RegistryEntry(point.name, point.module, path, plugin)


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
