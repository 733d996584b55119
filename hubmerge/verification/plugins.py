"""The plugins that a merge takes: whether they are here, and as they were."""

from __future__ import annotations

from collections.abc import Sequence

from hubmerge.registry import registries
from hubmerge.reporting.schema.plugins import UsedPlugin, missing_plugins
from hubmerge.reporting.schema.report import Report


def needs(missing: Sequence[UsedPlugin]) -> str:
    """Which plugins it takes to make the merge again, and how to get them."""
    named = ", ".join(f"the {each.kind} {each.name} of {each.package}" for each in missing)
    wanted = " ".join(dict.fromkeys(each.requirement for each in missing))
    return f"it takes {named}, which is not installed here: pip install {wanted}"


def other_versions(report: Report) -> list[str]:
    """A remark for every package that is here in another version than made the merge."""
    used = report.method.plugins or []
    absent = missing_plugins(used)
    found: dict[str, str] = {}
    for each in used:
        here = None if each in absent else _installed(each)
        if here is not None and here != each.version:
            found[each.package] = (
                f"made by {each.package} {each.version}, here is {here}: where they differ, so may "
                f"the merge (pip install {each.requirement})"
            )
    return list(found.values())


def _installed(used: UsedPlugin) -> str | None:
    """The version of the package here that adds the same."""
    for each in registries():
        if each.noun == used.kind:
            plugin = each.plugin(used.name)
            return plugin.version if plugin else None
    return None
