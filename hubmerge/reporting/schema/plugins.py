"""What in a report came from plugins: packages that others have installed beside hubmerge."""

from __future__ import annotations

from collections.abc import Iterable

from hubmerge.registry import registries, registry
from hubmerge.reporting.schema.base import ReportPart


class UsedPlugin(ReportPart):
    """A method, family or task that an installed package has added, and which package."""

    kind: str
    """What it is, such as "fusion"."""
    name: str
    package: str
    """What pip knows it by."""
    version: str

    @property
    def requirement(self) -> str:
        """The package at this version, as pip takes it."""
        return f"{self.package}=={self.version}"


def used_plugins(names: Iterable[tuple[str, str | None]]) -> list[UsedPlugin]:
    """The plugins behind `names`: pairs of a registry and a name in it, or None."""
    found: dict[tuple[str, str], UsedPlugin] = {}
    for kind, name in names:
        plugin = registry(kind).plugin(name) if name else None
        if name and plugin is not None:
            noun = registry(kind).noun
            found[noun, name] = UsedPlugin(
                kind=noun, name=name, package=plugin.package, version=plugin.version
            )
    return list(found.values())


def missing_plugins(used: Iterable[UsedPlugin]) -> list[UsedPlugin]:
    """Those of `used` that are not installed here, or not let in."""
    by_noun = {each.noun: each for each in registries()}

    def is_here(each: UsedPlugin) -> bool:
        plugin = by_noun[each.kind].plugin(each.name) if each.kind in by_noun else None
        return plugin is not None and plugin.package == each.package

    return [each for each in used if not is_here(each)]
