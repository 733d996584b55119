"""Task files of data sets on the Hub: data alone. Code of tasks is the installed package's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, TemplateError, nodes

from hubmerge.errors import RecipeError
from hubmerge.utils.untrusted_yaml import UnreadableYamlError, read_yaml

TASK_FILE = "task.yaml"
"""File of a data set that says how it is asked."""
MOST_BYTES = 64_000
FIELDS = frozenset(
    {
        "task",
        "dataset_name",
        "training_split",
        "validation_split",
        "test_split",
        "fewshot_split",
        "output_type",
        "doc_to_text",
        "doc_to_target",
        "doc_to_choice",
        "target_delimiter",
        "fewshot_delimiter",
        "description",
        "num_fewshot",
        "metric_list",
        "metadata",
    }
)
"""Fields of the harness's task files that run nothing and name no other file."""
OUTPUTS = ("multiple_choice", "loglikelihood", "generate_until")
METRICS = ("acc", "acc_norm", "exact_match", "perplexity")
"""Metrics of the harness itself: it would fetch others, and run them."""


def read_task_file(text: str, dataset: str, folder: str) -> dict[str, Any]:
    """The configuration of a task of that data set, whose files lie in `folder`.

    Raises: RecipeError.
    """
    place = f"{TASK_FILE} of {dataset}"
    if len(text) > MOST_BYTES:
        raise RecipeError(f"{place} is too large", found=f"{len(text):,} characters", field="eval")
    try:
        said = read_yaml(text)
    except UnreadableYamlError as error:
        hint = "code of tasks, such as !function, is taken of lm-evaluation-harness alone"
        raise RecipeError(
            f"{place} cannot be read", found=str(error), hint=hint, field="eval"
        ) from error
    if not isinstance(said, dict) or not isinstance(said.get("task"), str):
        raise RecipeError(f"{place} is no task", hint="task: NAME", field="eval")
    if further := sorted(map(str, said.keys() - FIELDS)):
        raise RecipeError(
            f"{place} has fields that are not taken: {', '.join(further)}",
            hint=f"these are: {', '.join(sorted(FIELDS))}",
            field="eval",
        )
    _check_choices(said, place)
    for name, value in said.items():
        _check_templates(value, f"{name} in {place}")
    return {**said, "dataset_path": folder}


def _check_choices(said: Mapping[str, Any], place: str) -> None:
    if said.get("output_type") not in OUTPUTS:
        raise RecipeError(
            f"output_type in {place}", found=repr(said.get("output_type")), hint=", ".join(OUTPUTS)
        )
    listed = said.get("metric_list")
    metrics = [each.get("metric") for each in listed or () if isinstance(each, dict)]
    if not isinstance(listed, list) or len(metrics) != len(listed) or not metrics:
        raise RecipeError(f"metric_list in {place}", hint="- metric: acc", field="eval")
    if wrong := [str(each) for each in metrics if each not in METRICS]:
        raise RecipeError(
            f"{place} asks for metrics that are not taken: {', '.join(wrong)}",
            hint=", ".join(METRICS),
            field="eval",
        )


def _check_templates(value: Any, place: str) -> None:
    """Refuse what a template could call: only fields of a row, filters and conditions are taken."""
    match value:
        case dict():
            for each in value.values():
                _check_templates(each, place)
        case list():
            for each in value:
                _check_templates(each, place)
        case str():
            try:
                parsed = Environment().parse(value)
            except TemplateError as error:
                raise RecipeError(
                    f"{place} is no template", found=str(error), field="eval"
                ) from error
            if any(map(_reaches_out, parsed.find_all(nodes.Node))):
                raise RecipeError(
                    f"{place} is more than a template of a row's fields",
                    found=value[:200],
                    hint="{{FIELD}}",
                    field="eval",
                )


def _reaches_out(node: nodes.Node) -> bool:
    match node:
        case nodes.Call() | nodes.CallBlock() | nodes.Include() | nodes.Import():
            return True
        case nodes.FromImport() | nodes.Extends() | nodes.Mul() | nodes.Pow():
            return True
        case nodes.Filter(name="attr" | "map" | "groupby" | "sum" | "selectattr" | "rejectattr"):
            return True
        case nodes.Getattr(attr=name):
            return name.startswith("_")
        case nodes.Getitem(arg=nodes.Const(value=str(name))):
            return name.startswith("_")
        case nodes.Getitem(arg=nodes.Const()):
            return False
        case nodes.Getitem(arg=nodes.Name()):
            return False
        case nodes.Getitem():
            return True
        case _:
            return False
