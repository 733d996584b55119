"""What the names in a recipe stand for, and which of them go together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hubmerge.errors import NotFoundError, RecipeError
from hubmerge.errors.wording import action, add, leave_out, option, quoted
from hubmerge.fuse import Fusion, find_fusion, fusions
from hubmerge.fuse.registry import base_missing, two_only
from hubmerge.fuse.subset import Subset
from hubmerge.matching import Learner, find_method, learners
from hubmerge.matching.multi import find_multi_matcher
from hubmerge.matching.registry import NOTHING
from hubmerge.pipeline.stored_as import StoredAs
from hubmerge.recipe import MIDDLE, PASSTHROUGH, Recipe, Trials, trials_of
from hubmerge.recipe.effort import EVERY
from hubmerge.repair import find_repair
from hubmerge.specs.spec import PERMUTATIONS, SCALES
from hubmerge.utils.input_batches import InputBatches, is_labelled

AUTO = "auto"
NO_MATCH = "none"
ALIGNMENT = "alignment"
"""The matcher's name where a saved alignment is used."""


@dataclass(frozen=True, kw_only=True)
class Methods:
    """The methods of a merge.

    trials: what is tried where no option names it, and what is refined. match: a registered
    matcher, "none" or "alignment"; what `auto` begins with where it tries several. tries_matchers:
    whether the matcher is chosen among several. multi_match: how more than two models are matched.
    symmetry: what a matcher may do that is not tried among others. fusion: None where several are
    compared: compared, those that the inputs allow but for their rows. subset: the tensors that are
    merged. stored_as: in which dtype and in files of which size. needs_spec: whether units are
    permuted, or hidden layers looked for. depends_on_images: whether the matcher depends on whether
    images can be generated for the models.
    """

    trials: Trials
    match: str
    tries_matchers: bool
    multi_match: str
    symmetry: str
    fusion: Fusion | None
    compared: tuple[Fusion, ...]
    subset: Subset
    stored_as: StoredAs
    needs_spec: bool
    depends_on_images: bool

    @property
    def fits_rows(self) -> bool:
        """Whether the fusion fits layers to unlabelled rows."""
        return self.fusion is not None and self.fusion.needs == "label-free"

    @property
    def fusion_trains(self) -> bool:
        """Whether the fusion trains on labelled calibration rows, or one that is tried may."""
        return any(fusion.learns for fusion in self.fusions)

    @property
    def fusions(self) -> tuple[Fusion, ...]:
        """The one that makes the merge, or all that are compared."""
        return self.compared if self.fusion is None else (self.fusion,)

    @property
    def fusion_uses_labels(self) -> bool:
        """Whether the fusion looks at labels, or one is chosen by them."""
        return self.fusion is None or self.fusion.needs == "labelled"

    @property
    def splits_validation(self) -> bool:
        """Whether fusions that choose on validation rows are compared, then on another half."""
        return self.fusion is None and any(each.needs == "labelled" for each in self.compared)

    @property
    def matcher_uses_labels(self) -> bool:
        """Whether the matcher learns from labels."""
        found = learners().get(self.match)
        return found is not None and found.labelled


def checked_methods(recipe: Recipe) -> Methods:
    """The methods of `recipe`, which are known and go together.

    Raises: RecipeError, if a method is unknown or cannot work with what is given; NotFoundError, if
    there is no such alignment.
    """
    methods = methods_of(recipe)
    _check_fusion(recipe, methods.fusion)
    _check_repair(recipe)
    if recipe.alignment and not Path(recipe.alignment).exists():
        raise NotFoundError(
            f"there is no alignment {quoted(recipe.alignment)}",
            hint=action("save alignment"),
            field="alignment",
        )
    _check_multi_match(recipe, methods)
    _check_matcher(recipe, methods)
    return methods


def methods_of(recipe: Recipe) -> Methods:
    """What the names in `recipe` stand for. Raises: RecipeError, for a name that is unknown."""
    trials = trials_of(recipe)
    compared = _compared(recipe, trials)
    fusion = compared[0] if len(compared) == 1 else None
    of_a_run = _fuses_training_run(fusion, compared)
    match = _matcher(recipe, of_a_run)
    multi_match = _multi_match(recipe, match)
    tries = _tries_matchers(recipe, of_a_run)
    return Methods(
        trials=trials.replace(fuse=tuple(each.name for each in compared)),
        match=match,
        tries_matchers=tries,
        multi_match=multi_match,
        symmetry=_symmetry(recipe),
        fusion=fusion,
        compared=compared,
        subset=Subset(recipe.only, recipe.keep),
        stored_as=StoredAs.of(recipe.dtype, recipe.max_shard_size),
        needs_spec=match != NO_MATCH or recipe.repair == "repair",
        depends_on_images=tries and recipe.dataset is None and multi_match != "merge-many",
    )


def _compared(recipe: Recipe, trials: Trials) -> tuple[Fusion, ...]:
    """The fusions that are tried: those named, or all, as far as base and weights allow.

    Fusions of one run's checkpoints are left out where the models are no such thing, and always
    those that draw at random: which of several draws is best says little about the fusion. One that
    is named by itself is taken as it is.
    """
    if trials.fuse != (EVERY,):
        named = tuple(map(find_fusion, trials.fuse))
        return named if len(named) == 1 else tuple(f for f in named if _fits(f, recipe, trials))
    found = (each for each in fusions().values() if _fits(each, recipe, trials))
    return tuple(sorted(found, key=lambda each: each.cost))


def _fits(fusion: Fusion, recipe: Recipe, trials: Trials) -> bool:
    weighed = trials.lam not in (None, MIDDLE) or bool(recipe.weights)
    return (
        (not fusion.of_a_run or is_training_run(recipe.models))
        and not fusion.random
        and fusion.name != PASSTHROUGH
        and (not fusion.pair or len(recipe.models) == 2)
        and not (fusion.needs_base and recipe.base is None)
        and (fusion.weighs or not weighed)
    )


def is_training_run(refs: Sequence[str]) -> bool:
    """Whether all `refs` are revisions of one repository: checkpoints of one training run."""
    repositories = {ref.partition("@")[0] for ref in refs}
    return len(repositories) == 1 and all("@" in ref for ref in refs)


def _fuses_training_run(fusion: Fusion | None, compared: Sequence[Fusion]) -> bool:
    """Whether the models are checkpoints of one run, whose units are in one order as they are."""
    return any(each.of_a_run for each in compared) if fusion is None else fusion.of_a_run


def _tries_matchers(recipe: Recipe, of_a_run: bool) -> bool:
    """Whether the matcher is chosen among several."""
    given = recipe.alignment or recipe.base or of_a_run or recipe.fuse == PASSTHROUGH
    return recipe.match == AUTO and not given


def _matcher(recipe: Recipe, of_a_run: bool) -> str:
    if recipe.alignment:
        return ALIGNMENT
    if recipe.match != AUTO:
        return recipe.match
    if recipe.fuse == PASSTHROUGH or of_a_run:
        return NO_MATCH
    return "activations" if recipe.dataset else "weights"


def _symmetry(recipe: Recipe) -> str:
    """What is taken weight by weight from a common base is not rotated by default."""
    if recipe.symmetry != AUTO:
        return recipe.symmetry
    return SCALES if recipe.base is None else PERMUTATIONS


def _multi_match(recipe: Recipe, match: str) -> str:
    """Star for a matcher that learns, which takes one pair at a time, and towards a base."""
    if recipe.base is not None:
        return "star"
    if recipe.multi_match != AUTO:
        return recipe.multi_match
    learns = match not in (NO_MATCH, ALIGNMENT) and isinstance(find_method(match), Learner)
    return "star" if learns else "cycle-consistent"


def _check_fusion(recipe: Recipe, fusion: Fusion | None) -> None:
    if recipe.base is not None and recipe.multi_match not in (AUTO, "star"):
        raise RecipeError(
            "models with a common base are each matched to it",
            found=option("multi_match", recipe.multi_match),
            field="multi_match",
        )
    if recipe.fuse == AUTO:
        if recipe.fuse_options:
            raise RecipeError(
                f"{option('fuse', 'auto')} tries fusions with their default options",
                found=", ".join(recipe.fuse_options),
                hint=f"name a fusion, or {leave_out('fuse_options')}",
                field="fuse_options",
            )
        return
    assert fusion is not None
    settings = fusion.settings(recipe.fuse_options, len(recipe.models))
    if "weight" in settings.rules and (recipe.lam != MIDDLE or recipe.weights):
        raise RecipeError(
            f"{option('fuse_options.weight')} says what the models weigh",
            hint=leave_out("lam", "weights"),
            field="fuse_options",
        )
    if fusion.needs_base and recipe.base is None:
        raise base_missing(fusion.name)
    if fusion.pair and len(recipe.models) != 2:
        raise two_only(fusion.name, len(recipe.models))
    if recipe.base is not None and not fusion.takes_base:
        takes = [each.name for each in fusions().values() if each.takes_base]
        raise RecipeError(
            f"{option('fuse', fusion.name)} takes no base",
            found=option("base", recipe.base),
            hint=f"{option('fuse', *takes)}, or {leave_out('base')}",
            field="base",
        )
    if fusion.needs == "labelled" and recipe.dataset is None:
        raise RecipeError(
            f"{option('fuse', fusion.name)} chooses on labelled validation rows",
            hint=add("dataset"),
            field="fuse",
        )
    if not fusion.weighs and (recipe.lam != MIDDLE or recipe.weights):
        raise RecipeError(
            f"{option('fuse', fusion.name)} finds the weights of the models by itself",
            hint=leave_out("lam", "weights"),
            field="fuse",
        )


def _check_repair(recipe: Recipe) -> None:
    if recipe.repair in (AUTO, "none"):
        return
    find_repair(recipe.repair)
    if recipe.dataset is None:
        raise RecipeError(
            f"{option('repair', recipe.repair)} needs calibration data",
            hint=add("dataset"),
            field="repair",
        )


def _check_multi_match(recipe: Recipe, methods: Methods) -> None:
    way, method = find_multi_matcher(methods.multi_match), methods.match
    if len(recipe.models) == 2 or method in (NO_MATCH, ALIGNMENT):
        return
    found = find_method(method)
    if isinstance(found, Learner):
        if way.name != "star":
            raise RecipeError(
                f"{option('multi_match', way.name)} cannot learn",
                found=f"{option('match', method)}, which learns for one pair at a time",
                hint=f"{option('multi_match', 'star')}, or a matcher that does not learn",
                field="multi_match",
            )
    elif way.without_data and found.looks_at != NOTHING:
        raise RecipeError(
            f"{option('multi_match', way.name)} matches means of models, which have no activations",
            found=option("match", method),
            hint=f"{option('match', 'weights')}, or {option('multi_match', 'cycle-consistent')}",
            field="multi_match",
        )


def _check_matcher(recipe: Recipe, methods: Methods) -> None:
    if recipe.learning_steps is not None and methods.match not in learners():
        raise RecipeError(
            f"{option('learning_steps')} is for a matcher that learns",
            found=option("match", recipe.match),
            hint=option("match", *learners()),
            field="learning_steps",
        )
    if recipe.match in (AUTO, NO_MATCH):
        return
    if find_method(recipe.match).needs_data and recipe.dataset is None:
        raise RecipeError(
            f"{option('match', recipe.match)} needs calibration data",
            hint=f"{add('dataset')}, or {option('match', 'weights')}, which needs none",
            field="match",
        )


def check_fusion_rows(
    fusion: Fusion | None, statistics: InputBatches, validation: InputBatches
) -> None:
    """Raises: RecipeError, if there are no rows of the kind that the fusion looks at."""
    if fusion is None or has_rows_for(fusion, statistics, validation):
        return
    if fusion.needs == "labelled" and not len(validation):
        found = "no validation rows are left for it"
    elif fusion.learns:
        found = "no calibration rows with labels are left for it"
    else:
        found = "no calibration rows, and synthetic images cannot be made for these models"
    raise RecipeError(
        f"{option('fuse', fusion.name)} needs data",
        found=found,
        hint=f"{add('dataset')}, or {option('fuse', 'average')}",
        field="fuse",
    )


def has_rows_for(fusion: Fusion, statistics: InputBatches, validation: InputBatches) -> bool:
    """Whether there are rows of the kinds that `fusion` looks at."""
    if fusion.learns and not (is_labelled(statistics) and len(statistics)):
        return False
    rows = {"data-free": None, "label-free": statistics, "labelled": validation}[fusion.needs]
    return rows is None or len(rows) > 0
