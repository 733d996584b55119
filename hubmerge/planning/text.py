"""A plan as a person reads it: plain text, one table per question."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from textwrap import indent, wrap

from hubmerge.errors.wording import PYTHON, Wording, add, option, render
from hubmerge.planning.plan import ModelPlan, Plan
from hubmerge.planning.resources import human
from hubmerge.reporting.effort import effort_text
from hubmerge.utils.parent_names import listed, parent_letters
from hubmerge.utils.tables import columns

WIDTH = 96
LABEL_WIDTH = 24
LABELS_SHOWN = 10


def render_plan(plan: Plan, wording: Wording = PYTHON) -> str:
    """The whole plan, with a heading per part, safe to print whatever names the models chose."""
    parts = {
        "Models": _models(plan.models, plan.base),
        "Both are" if len(plan.models) == 2 else "All are": _rows(_architecture(plan)),
        "Data": _rows(_data(plan, wording)),
        "Effort": _rows([(plan.effort.effort, effort_text(plan.effort))]),
        "Measured": _rows((m.what, m.rows) for m in plan.measurements),
        "Result": _rows(_result(plan, wording)),
        "Needs": _rows(_needs(plan)),
    }
    if plan.remarks:
        parts["Remarks"] = "\n".join(
            indent("\n".join(wrap(remark, WIDTH - 4)), "  ") for remark in plan.remarks
        )
    text = "\n\n".join(f"{title}\n{body}" for title, body in parts.items())
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _rows(pairs: Iterable[tuple[str, str]]) -> str:
    """Label and wrapped value; long labels stand on lines of their own."""
    pairs = list(pairs)
    longest = max(len(label) for label, _ in pairs)
    wrapped = [
        (label, "\n".join(wrap(value, WIDTH - 2 - min(longest, LABEL_WIDTH))))
        for label, value in pairs
    ]
    if longest <= LABEL_WIDTH:
        return columns(wrapped, indent=2)
    return "\n".join(indent(f"{label}\n{indent(value, '    ')}", "  ") for label, value in wrapped)


def free_spaces(sizes: Mapping[str, int]) -> str:
    """Alike ones together: `resid 256, 6 x head 8`."""
    alike = Counter(f"{name.rpartition('.')[2]} {size}" for name, size in sizes.items())
    return ", ".join(f"{n} x {space}" if n > 1 else space for space, n in alike.items())


def _models(models: Sequence[ModelPlan], base: ModelPlan | None) -> str:
    head = [
        "",
        "id",
        "commit",
        "licence",
        "access",
        "weights",
        "to download",
        "dtype",
        "parameters",
    ]
    return columns(
        [
            head,
            *(
                [
                    letter,
                    model.id,
                    model.sha[:12],
                    ", ".join(model.licenses) or "unknown",
                    _access(model),
                    human(model.weight_bytes),
                    human(model.download_bytes),
                    model.dtype,
                    f"{model.parameters:,}",
                ]
                for letter, model in [
                    *zip(parent_letters(len(models)), models, strict=True),
                    *([("base", base)] if base else []),
                ]
            ),
        ],
        indent=2,
    )


def _access(model: ModelPlan) -> str:
    if model.kind != "hub":
        return {"local": "local", "memory": "in memory", "stage": "made before"}[model.kind]
    flags = ["gated"] * model.gated + ["private"] * model.private
    return ", ".join(flags) or "public"


def _architecture(plan: Plan) -> list[tuple[str, str]]:
    both = plan.both
    rows = [
        ("architecture", f"{both.architecture} ({both.model_type})"),
        ("family", both.family or "not asked for: nothing is matched"),
    ]
    if both.spec:
        rows.append(("spec", both.spec))
    if both.free_spaces:
        rows.append((f"{len(both.free_spaces)} free spaces", free_spaces(both.free_spaces)))
    if both.labels:
        moved = _moved(both.labels_moved)
        if both.known is not None:
            moved = _known(both.known)
        rows.append(
            (f"{len(both.labels)} classes", f"{_some(both.labels, LABELS_SHOWN)} ({moved})")
        )
    settings = [f"{name} {value}" for name, value in both.processor.items()]
    rows.append(("processor", _some(settings, len(settings)) or "none"))
    return rows


def _moved(rows: int | list[int]) -> str:
    """Whose classifier rows change places."""
    counts = rows if isinstance(rows, list) else [rows]
    names = parent_letters(len(counts) + 1)[1:]
    said = [f"{n} of {name}'s" for n, name in zip(counts, names, strict=True) if n]
    return f"{listed(said)} rows move" if said else "same order"


def _known(known: list[int]) -> str:
    """How many of the outputs each parent brings."""
    said = [f"{n} of {name}'s" for n, name in zip(known, parent_letters(len(known)), strict=True)]
    return f"from {listed(said)}"


def _data(plan: Plan, wording: Wording) -> list[tuple[str, str]]:
    data = plan.data
    if data is None:
        instead = [each.rows for each in plan.measurements[1:]]
        so = f"{listed(instead)} stand in" if instead else "no statistics are re-estimated"
        offered = [
            (_named(letters, numbers), _offer(name, wording))
            for letters in [parent_letters(len(plan.models))]
            for name, numbers in plan.offered.items()
        ]
        return [("none", f"nothing can be measured, and {so}"), *offered]
    rows = [
        ("id", f"{data.id} at {data.sha[:12]}"),
        ("size", f"{human(data.bytes)}, {human(data.download_bytes)} to download"),
    ]
    splits = [
        name if rows_ is None else f"{name} {rows_:,}" for name, rows_ in data.card.splits.items()
    ]
    columns = [f"{name} ({kind})" for name, kind in data.card.columns.items()]
    rows.append(("splits", _some(splits, len(splits)) or "its card does not say"))
    rows.append(("columns", _some(columns, len(columns)) or "its card does not say"))
    return rows


def _named(letters: Sequence[str], numbers: Sequence[int]) -> str:
    """Whose card names a data set."""
    owners = listed([letters[number] for number in numbers])
    return f"on {owners}'s {'cards' if len(numbers) > 1 else 'card'}"


def _offer(name: str, wording: Wording) -> str:
    return f"{name}: measure on it by {render(option('dataset', name), wording)}"


def _result(plan: Plan, wording: Wording) -> list[tuple[str, str]]:
    licence = plan.licence
    name = licence.license if isinstance(licence.license, str) else ", ".join(licence.license)
    if licence.license_name:
        name += f" ({licence.license_name})"
    target = plan.target
    rows = [
        ("dtype", plan.dtype),
        ("licence", f"{name}: {licence.reason}"),
        ("written to", target.out or f"nowhere: {render(add('out'), wording)}"),
    ]
    if target.repo is None:
        return [*rows, ("pushed to", f"nowhere: {render(add('push'), wording)}")]
    state = "exists" if target.exists else "will be created"
    visibility = "private" if plan.private else "public"
    return [*rows, ("pushed to", f"{target.repo} ({state}, {visibility})")]


def _needs(plan: Plan) -> list[tuple[str, str]]:
    needs = plan.needs
    allowed = [] if needs.allowed_memory is None else [("allowed", human(needs.allowed_memory))]
    return [
        ("disk", f"{human(needs.download)} to download + {human(needs.result)} for the result"),
        ("free disk", human(needs.free_disk)),
        ("memory", f"about {human(needs.memory)}"),
        ("free memory", human(needs.free_memory)),
        *allowed,
    ]


def _some(names: Sequence[str], most: int) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
