"""What the names in a recipe stand for: matcher, symmetry, fusion, as far as the recipe can say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hubmerge.fuse import Fusion, find_fusion
from hubmerge.fuse.subset import Subset
from hubmerge.matching import Learner, find_method, learners
from hubmerge.recipe import Recipe
from hubmerge.specs.spec import PERMUTATIONS, SCALES

AUTO = "auto"
NO_MATCH = "none"
ALIGNMENT = "alignment"
"""The matcher's name where a saved alignment is used."""


@dataclass(frozen=True, kw_only=True)
class Methods:
    """The methods of a merge.

    match: a registered matcher, "none" or "alignment"; what `auto` begins with where it tries
    several. tries_matchers: whether the matcher is chosen among several. multi_match: how more than
    two models are matched. symmetry: what a matcher may do that is not tried among others.
    fusion: None where fusions are compared. subset: the tensors that are merged. needs_spec:
    whether units are permuted, or hidden layers looked for. depends_on_images: whether the matcher
    depends on whether images can be generated for the models.
    """

    match: str
    tries_matchers: bool
    multi_match: str
    symmetry: str
    fusion: Fusion | None
    subset: Subset
    needs_spec: bool
    depends_on_images: bool

    @property
    def fits_rows(self) -> bool:
        """Whether the fusion fits layers to unlabelled rows."""
        return self.fusion is not None and self.fusion.needs == "label-free"

    @property
    def fusion_trains(self) -> bool:
        """Whether the fusion trains on labelled calibration rows, or one that is tried may."""
        return self.fusion is None or self.fusion.learns

    @property
    def fusion_uses_labels(self) -> bool:
        """Whether the fusion looks at labels, or one that is tried may."""
        return self.fusion is None or self.fusion.needs == "labelled"

    @property
    def matcher_uses_labels(self) -> bool:
        """Whether the matcher learns from labels."""
        found = learners().get(self.match)
        return found is not None and found.labelled


def methods_of(recipe: Recipe) -> Methods:
    """What the names in `recipe` stand for. Raises: RecipeError, for a name that is unknown."""
    fusion = None if recipe.fuse == AUTO else find_fusion(recipe.fuse)
    match = _matcher(recipe, fusion)
    multi_match = _multi_match(recipe, match)
    tries = _tries_matchers(recipe, fusion)
    return Methods(
        match=match,
        tries_matchers=tries,
        multi_match=multi_match,
        symmetry=_symmetry(recipe),
        fusion=fusion,
        subset=Subset(recipe.only, recipe.keep),
        needs_spec=match != NO_MATCH or recipe.repair == "repair",
        depends_on_images=tries and recipe.dataset is None and multi_match != "merge-many",
    )


def is_training_run(refs: Sequence[str]) -> bool:
    """Whether all `refs` are revisions of one repository: checkpoints of one training run."""
    repositories = {ref.partition("@")[0] for ref in refs}
    return len(repositories) == 1 and all("@" in ref for ref in refs)


def _fuses_training_run(recipe: Recipe, fusion: Fusion | None) -> bool:
    """Whether the models are checkpoints of one run, whose units are in one order as they are."""
    return is_training_run(recipe.models) if fusion is None else fusion.of_a_run


def _tries_matchers(recipe: Recipe, fusion: Fusion | None) -> bool:
    """Whether the matcher is chosen among several."""
    given = recipe.alignment or recipe.base or _fuses_training_run(recipe, fusion)
    return recipe.match == AUTO and not given


def _matcher(recipe: Recipe, fusion: Fusion | None) -> str:
    if recipe.alignment:
        return ALIGNMENT
    if recipe.match != AUTO:
        return recipe.match
    if _fuses_training_run(recipe, fusion):
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
