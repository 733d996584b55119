"""All methods there are: what each does, which rows it looks at, where it is from.

What the command line, the README and docs/fusions.md list is made from this.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from hubmerge.fuse import fusions
from hubmerge.fuse.options import Option
from hubmerge.fuse.registry import DATA_FREE, LABEL_FREE, LABELLED
from hubmerge.landscape.curves import curves
from hubmerge.matching import learners, matchers
from hubmerge.matching.multi import multi_matchers
from hubmerge.repair import repairs
from hubmerge.utils.tables import columns


@dataclass(frozen=True)
class Method:
    """One registered way of doing one step.

    kind: the option that takes its name, without dashes. needs: data-free, label-free or labelled.
    laws: names of those a fusion declares.
    """

    kind: str
    name: str
    needs: str
    summary: str
    source: str
    base: bool = False
    options: tuple[Option, ...] = ()
    laws: tuple[str, ...] = ()

    @property
    def mark(self) -> str:
        """What it needs, in words."""
        return f"{self.needs}, base" if self.base else self.needs


@dataclass(frozen=True)
class Kind:
    """What methods of one kind do, and which words stand for no single one of them."""

    name: str
    does: str
    others: tuple[str, ...] = field(default=())


KINDS = (
    Kind("match", "lines units up", ("auto", "none")),
    Kind("multi-match", "brings more than two models together", ("auto",)),
    Kind("fuse", "makes one model of aligned ones", ("auto",)),
    Kind("repair", "mends statistics that fusing spoils", ("auto", "none")),
    Kind("curve", "leads from one model to another (hubmerge path)"),
)


def methods() -> list[Method]:
    """Every registered method, kind by kind."""
    found = [
        Method("match", m.name, LABEL_FREE if m.needs_data else DATA_FREE, m.summary, m.source)
        for m in matchers().values()
    ]
    found += [
        Method("match", m.name, LABELLED if m.labelled else LABEL_FREE, m.summary, m.source)
        for m in learners().values()
    ]
    found += [
        Method("multi-match", way.name, "as its matcher", way.summary, way.source)
        for way in multi_matchers().values()
    ]
    found += [
        Method(
            "fuse",
            fusion.name,
            fusion.needs,
            fusion.summary,
            fusion.source,
            fusion.needs_base,
            tuple(fusion.options.values()),
            tuple(sorted(fusion.laws)),
        )
        for fusion in fusions().values()
    ]
    found += [
        Method("repair", repair.name, LABEL_FREE, repair.summary, repair.source)
        for repair in repairs().values()
    ]
    return found + [
        Method("curve", c.name, LABELLED if c.bends else DATA_FREE, c.summary, c.source)
        for c in curves().values()
    ]


def methods_text(kind: str | None = None) -> str:
    """All methods, or those of one kind, as a terminal shows them."""
    return "\n\n".join(_section(each) for each in KINDS if kind in (None, each.name))


def _section(kind: Kind) -> str:
    rows = [method for method in methods() if method.kind == kind.name]
    also = f"; also {', '.join(kind.others)}" if kind.others else ""
    described = (
        "\n".join([method.summary, method.source, *map(option_text, method.options)])
        for method in rows
    )
    cells = [(m.name, m.mark, text) for m, text in zip(rows, described, strict=True)]
    return f"--{kind.name}: {kind.does}{also}\n{columns(cells, indent=2)}"


def option_text(option: Option) -> str:
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
