"""What the fields of a recipe cannot say together."""

from __future__ import annotations

from hubmerge.errors.wording import add, leave_out, option
from hubmerge.recipe.fields import RecipeFields
from hubmerge.recipe.trials import trials_of
from hubmerge.recipe.words import (
    AUTO,
    BASE,
    MIDDLE,
    NO_PATH,
    NO_REFINEMENT,
    PASSTHROUGH,
    SAME,
)
from hubmerge.utils.problems import Contradiction


def refuse_contradictions(recipe: RecipeFields) -> None:
    """Raises: Contradiction, which names the fields, the one to change first."""
    _check_data(recipe)
    _check_path(recipe)
    _check_stack(recipe)
    _check_alignment(recipe)
    _check_heads(recipe)
    _check_weights(recipe)
    _check_refine(recipe)
    _check_survey(recipe)
    _check_vocabulary(recipe)


def _check_data(recipe: RecipeFields) -> None:
    if recipe.dataset is not None:
        return
    if recipe.lam == AUTO:
        raise Contradiction(
            f"{option('lam', AUTO)} is chosen on validation rows: {add('dataset')}",
            "lam",
            "dataset",
        )
    if recipe.train_samples is not None:
        raise Contradiction(
            f"{option('train_samples', recipe.train_samples)} are rows of a data set: "
            f"{add('dataset')}",
            "train_samples",
            "dataset",
        )
    if recipe.survey:
        raise Contradiction(
            f"{option('survey', *recipe.survey)} measures losses: {add('dataset')}",
            "survey",
            "dataset",
        )


def _check_path(recipe: RecipeFields) -> None:
    if recipe.path != NO_PATH:
        return
    for field, asks in (("path_points", "looks closely at"), ("train_samples", "also measures")):
        if (given := getattr(recipe, field)) is not None:
            raise Contradiction(
                f"{option(field, given)} {asks} the path, {option('path', NO_PATH)} leaves it out: "
                f"{leave_out(field)}",
                field,
                "path",
            )


def _check_stack(recipe: RecipeFields) -> None:
    if recipe.fuse != PASSTHROUGH:
        return
    for field in ("dataset", "base", "alignment"):
        if getattr(recipe, field) is not None:
            raise Contradiction(
                f"{option('fuse', PASSTHROUGH)} stacks layers as they are, and compares no models: "
                f"{leave_out(field)}",
                "fuse",
                field,
            )
    if recipe.match not in (AUTO, "none"):
        raise Contradiction(
            f"{option('fuse', PASSTHROUGH)} stacks layers as they are: {leave_out('match')}",
            "match",
            "fuse",
        )


def _check_alignment(recipe: RecipeFields) -> None:
    if recipe.alignment and recipe.match not in (AUTO, "none"):
        raise Contradiction(
            f"{option('alignment')} replaces matching: {leave_out('match')}", "match", "alignment"
        )


def _check_heads(recipe: RecipeFields) -> None:
    if recipe.heads == SAME:
        return
    if recipe.align_labels == "index":
        raise Contradiction(
            f"{option('heads', recipe.heads)} goes by the names of labels: "
            f"{leave_out('align_labels')}",
            "align_labels",
            "heads",
        )
    if recipe.survey:
        raise Contradiction(
            f"surveys are of models with one label set: {leave_out('survey')}, or "
            f"{leave_out('heads')}",
            "survey",
            "heads",
        )


def _check_weights(recipe: RecipeFields) -> None:
    given, count = recipe.weights, len(recipe.models)
    if given is not None and len(given) != count:
        raise Contradiction(
            f"{len(given)} weight{'s' if len(given) != 1 else ''} for {count} models",
            "weights",
            "models",
        )
    if given is not None and abs(sum(given) - 1) > 1e-6:
        raise Contradiction(f"the weights add up to {sum(given):g}, not to 1", "weights")
    if given is not None and recipe.lam != MIDDLE:
        raise Contradiction(
            f"{option('lam', recipe.lam)} and {option('weights')} say the same thing: "
            f"{leave_out('lam')}, or {leave_out('weights')}",
            "weights",
            "lam",
        )
    if count > 2 and recipe.lam != MIDDLE:
        raise Contradiction(
            f"{option('lam', recipe.lam)} is the weight of the second of two models: for {count}, "
            f"give {option('weights')}",
            "lam",
            "weights",
        )


def _check_refine(recipe: RecipeFields) -> None:
    if recipe.refine_steps is not None and trials_of(recipe).refine == NO_REFINEMENT:
        raise Contradiction(
            f"{option('refine_steps', recipe.refine_steps)} are steps of a refinement: "
            f"{add('refine')}",
            "refine_steps",
            "refine",
        )
    if recipe.refine in (AUTO, NO_REFINEMENT):
        return
    refine = option("refine", recipe.refine)
    if recipe.dataset is None:
        raise Contradiction(f"{refine} learns on rows: {add('dataset')}", "refine", "dataset")
    if recipe.heads != SAME:
        raise Contradiction(
            f"{refine} teaches what all parents predict, which {option('heads', recipe.heads)} is "
            f"not for: {leave_out('refine')}",
            "refine",
            "heads",
        )
    for field in ("only", "keep"):
        if parts := getattr(recipe, field):
            raise Contradiction(
                f"{refine} changes every tensor, {option(field, *parts)} merges some: "
                f"{leave_out('refine')}",
                "refine",
                field,
            )


def _check_vocabulary(recipe: RecipeFields) -> None:
    named = {"tokenizer": recipe.tokenizer, "chat_template": recipe.chat_template}
    for field, name in named.items():
        _check_model(recipe, field, name)
    for said in recipe.tokens.values():
        _check_model(recipe, "tokens", said.of)
    if recipe.tokens and recipe.tokenizer is None:
        raise Contradiction(
            f"{option('tokens')} are rows of a vocabulary: {add('tokenizer')}",
            "tokens",
            "tokenizer",
        )


def _check_model(recipe: RecipeFields, field: str, name: str | None) -> None:
    """Raises: Contradiction, if a field names a model that there is not."""
    if name == BASE and recipe.base is None:
        raise Contradiction(f"{option(field, name)}: {add('base')}", field, "base")
    if name is not None and len(name) == 1 and ord(name) - ord("A") >= len(recipe.models):
        raise Contradiction(
            f"{option(field, name)} for {len(recipe.models)} models", field, "models"
        )


def _check_survey(recipe: RecipeFields) -> None:
    if recipe.survey and recipe.repair == "repair":
        raise Contradiction(
            f"{option('survey', *recipe.survey)} leaves the straight line, where "
            f"{option('repair', 'repair')} is not defined",
            "survey",
            "repair",
        )
    if len(set(recipe.survey)) < len(recipe.survey):
        raise Contradiction("a survey is named twice", "survey")
    for name in recipe.survey:
        if name == "simplex" and len(recipe.models) < 3:
            raise Contradiction(
                f"{option('survey', name)} takes three models or more: "
                f"{option('survey', 'path')} takes two",
                "survey",
                "models",
            )
        if name != "simplex" and len(recipe.models) > 2:
            raise Contradiction(
                f"{option('survey', name)} takes two models: "
                f"{option('survey', 'simplex')} takes more",
                "survey",
                "models",
            )
