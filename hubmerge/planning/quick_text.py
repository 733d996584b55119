"""A quick plan as a person reads it."""

from __future__ import annotations

from hubmerge.errors.wording import PYTHON, Wording, add, render
from hubmerge.planning.quick import QuickModel, QuickPlan, TensorDifference
from hubmerge.planning.resources import human
from hubmerge.utils.parent_names import parent_letters
from hubmerge.utils.tables import columns

DIFFERENCES_SHOWN = 10
HEAD = ("", "id", "commit", "licence", "access", "weights", "dtype", "tensors", "elements")


def render_quick_plan(plan: QuickPlan, wording: Wording = PYTHON) -> str:
    """The whole plan, safe to print whatever names the models chose."""
    parts = {
        "Models": columns([HEAD, *_models(plan)], indent=2),
        "Compared": columns(_compared(plan), indent=2),
        "Result": columns(_result(plan, wording), indent=2),
        "Not checked by a quick plan": "\n".join(f"  {each}" for each in plan.not_checked),
    }
    text = "\n\n".join(f"{title}\n{body}" for title, body in parts.items())
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)


def _models(plan: QuickPlan) -> list[list[str]]:
    letters = parent_letters(len(plan.models))
    rows = [_row(name, model) for name, model in zip(letters, plan.models, strict=True)]
    return rows if plan.base is None else [*rows, _row("base", plan.base)]


def _row(name: str, model: QuickModel) -> list[str]:
    flags = ["gated"] * model.gated + ["private"] * model.private
    return [
        name,
        model.id,
        (model.sha or "")[:12],
        ", ".join(model.licenses) or "unknown",
        {"local": "local", "memory": "in memory"}.get(model.kind) or ", ".join(flags) or "public",
        human(model.weight_bytes),
        model.dtype,
        f"{model.tensors:,}",
        f"{model.elements:,}",
    ]


def _compared(plan: QuickPlan) -> list[list[str]]:
    everyone = [*plan.models, *([plan.base] if plan.base else [])]
    kinds = dict.fromkeys(f"{each.architecture} ({each.model_type})" for each in everyone)
    families = dict.fromkeys(", ".join(each.families) or "none" for each in everyone)
    rows = [
        ["architecture", " / ".join(kinds) + ("" if plan.same_architecture else ": they differ")],
        ["family by model_type", " / ".join(families)],
    ]
    if not plan.differences:
        return [*rows, ["tensors", "the same names and shapes in every model"]]
    count = len(plan.differences)
    rows.append(["tensors", f"{count} {'differs' if count == 1 else 'differ'} in name or shape"])
    rows += [["", _difference(each)] for each in plan.differences[:DIFFERENCES_SHOWN]]
    more = len(plan.differences) - DIFFERENCES_SHOWN
    return [*rows, ["", f"and {more} more"]] if more > 0 else rows


def _difference(of: TensorDifference) -> str:
    shapes = (f"{name} {'none' if shape is None else shape}" for name, shape in of.shapes.items())
    return f"{of.name}: {', '.join(shapes)}"


def _result(plan: QuickPlan, wording: Wording) -> list[list[str]]:
    licence, target = plan.licence, plan.target
    name = licence.license if isinstance(licence.license, str) else ", ".join(licence.license)
    rows = [
        ["licence", f"{name}: {licence.reason}"],
        ["written to", target.out or f"nowhere: {render(add('out'), wording)}"],
    ]
    if plan.dataset is not None:
        rows.insert(0, ["measured on", plan.dataset])
    if target.repo is None:
        return [*rows, ["pushed to", f"nowhere: {render(add('push'), wording)}"]]
    state = "exists" if target.exists else "will be created"
    visibility = "private" if plan.private else "public"
    return [*rows, ["pushed to", f"{target.repo} ({state}, {visibility})"]]
