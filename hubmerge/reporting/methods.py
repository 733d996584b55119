"""All methods there are: what each does, which rows it looks at, where it is from.

`hubmerge methods`, docs/methods.md and docs/fusions.md are made from this.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from hubmerge.fuse.correction import corrections
from hubmerge.fuse.options import FusionOption
from hubmerge.fuse.registry import DATA_FREE, LABEL_FREE, LABELLED, Fusion
from hubmerge.matching.learned.registry import Learner
from hubmerge.matching.multi.registry import MultiMatcher
from hubmerge.matching.registry import Matcher
from hubmerge.registry import Plugin, registry
from hubmerge.utils.tables import columns


@dataclass(frozen=True, kw_only=True)
class Method:
    """One registered way of doing one step.

    kind: the option that takes its name, without dashes. needs: data-free, label-free or labelled.
    laws: names of those a fusion declares. plugin: the package it is from, if not hubmerge.
    """

    kind: str
    name: str
    needs: str
    summary: str
    source: str
    base: bool = False
    options: tuple[FusionOption, ...] = ()
    laws: tuple[str, ...] = ()
    plugin: Plugin | None = None

    @property
    def mark(self) -> str:
        """What it needs, in words."""
        return f"{self.needs}, base" if self.base else self.needs


@dataclass(frozen=True)
class MethodKind:
    """What methods of one kind do. name: the option that takes one. registry: where they are."""

    name: str
    registry: str
    does: str


KINDS = (
    MethodKind("match", "matchers", "aligns the units of two models"),
    MethodKind("multi-match", "multi_matchers", "aligns more than two models"),
    MethodKind("fuse", "fusions", "makes one model of aligned ones"),
    MethodKind("repair", "repairs", "corrects activation statistics after fusion"),
    MethodKind("curve", "curves", "connects two models by a curve (hubmerge path)"),
)


def methods() -> list[Method]:
    """Every registered method, kind by kind."""
    return [
        _method(kind, name, found)
        for kind in KINDS
        for name, found in registry(kind.registry).all().items()
    ]


def _method(kind: MethodKind, name: str, found: Any) -> Method:
    fusion = found if isinstance(found, Fusion) else None
    return Method(
        kind=kind.name,
        name=name,
        needs=_needs(found),
        summary=found.summary,
        source=found.source,
        base=fusion is not None and fusion.needs_base,
        options=tuple(fusion.options.values()) if fusion else (),
        laws=tuple(sorted(fusion.laws)) if fusion else (),
        plugin=registry(kind.registry).plugin(name),
    )


def _needs(found: Any) -> str:
    """Which rows a method looks at."""
    match found:
        case Fusion():
            return found.needs
        case Matcher():
            return LABEL_FREE if found.needs_data else DATA_FREE
        case Learner():
            return LABELLED if found.labelled else LABEL_FREE
        case MultiMatcher():
            return "as its matcher"
    needs: str = getattr(found, "needs", LABEL_FREE)
    return needs


def methods_text(kind: str | None = None) -> str:
    """All methods, or those of one kind, as a terminal shows them."""
    return "\n\n".join(_section(each) for each in KINDS if kind in (None, each.name))


def _section(kind: MethodKind) -> str:
    rows = [method for method in methods() if method.kind == kind.name]
    words = registry(kind.registry).words
    also = f"; also {', '.join(words)}" if words else ""
    described = (
        "\n".join([method.summary, _from(method), *map(option_text, method.options)])
        for method in rows
    )
    cells = [(m.name, m.mark, text) for m, text in zip(rows, described, strict=True)]
    text = f"--{kind.name}: {kind.does}{also}\n{columns(cells, indent=2)}"
    return f"{text}\n\n{_corrections()}" if kind.registry == "fusions" else text


def _corrections() -> str:
    """What may be done after a fusion that takes a base."""
    cells = [
        (name, "data-free, base", "\n".join([each.summary, each.source, option_text(each.option)]))
        for name, each in corrections().items()
    ]
    return f"options after any fusion that takes a base\n{columns(cells, indent=2)}"


def _from(method: Method) -> str:
    """Where a method is described, and the package it is from."""
    return f"{method.source} (plugin {method.plugin})" if method.plugin else method.source


def option_text(option: FusionOption) -> str:
    """An option of a fusion on one line: its default, what it means, what it takes."""
    default = option.default if option.default != "" else "nothing"
    default = str(default).lower() if isinstance(default, bool) else default
    return f"{option.name}={default}: {option.says.meaning} ({option.takes})"


def methods_json(kind: str | None = None) -> str:
    """The same as JSON."""
    content = [
        {
            "kind": method.kind,
            "name": method.name,
            "needs": method.needs,
            "needs_base": method.base,
            "summary": method.summary,
            "source": method.source,
            "plugin": asdict(method.plugin) if method.plugin else None,
            "laws": list(method.laws),
            "options": [
                {
                    "name": option.name,
                    "type": option.kind.__name__,
                    "default": option.default,
                    "takes": option.takes,
                    "meaning": option.says.meaning,
                }
                for option in method.options
            ],
        }
        for method in methods()
        if kind in (None, method.kind)
    ]
    return json.dumps(content, indent=2, ensure_ascii=False)
