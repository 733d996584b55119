"""A model aligned with another, and in which form of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch

from hubmerge.errors import MismatchError
from hubmerge.hub.loaded_model import LoadedModel
from hubmerge.matching import Match
from hubmerge.models.fingerprint import fingerprint
from hubmerge.models.joint_head import JointHead
from hubmerge.models.states import with_state
from hubmerge.symmetry.permutation import State


@dataclass(kw_only=True, repr=False)
class Aligned(LoadedModel):
    """Model B aligned with model A, in A's own coordinates.

    anchor: A itself, but for gains that nothing can be divided by, which are folded.
    """

    anchor: LoadedModel
    heads: JointHead | None = None
    """The one head of both, if their label sets differ."""
    match: Match
    """What aligned it."""


def common_anchor(a: LoadedModel, others: Sequence[LoadedModel]) -> LoadedModel:
    """A in the form that all `others` are aligned with; A itself for those that came as they are.

    Raises: MismatchError, if one was aligned with another model, or another form of A.
    """
    forms = [other.anchor if isinstance(other, Aligned) else a for other in others]
    for other, form in zip(others, forms, strict=True):
        if form.source.sha != a.source.sha:
            raise MismatchError(
                f"{other.source.ref} was aligned with {form.source.ref}", found=a.source.ref
            )
    first, *rest = (form.model.state_dict() for form in forms)
    if any(not torch.equal(first[name], state[name]) for state in rest for name in first):
        raise MismatchError(
            "what is merged is aligned with different forms of A",
            found=", ".join(other.source.ref for other in others),
            hint='match(..., symmetry="permutations") leaves A as it is',
        )
    return forms[0]


def holding(b: LoadedModel, state: State, a: LoadedModel) -> LoadedModel:
    """`b` with the tensors of `state`, and A's names for its classes, whose order it now has."""
    model = with_state(b.model, state)
    model.config.id2label, model.config.label2id = a.config.id2label, a.config.label2id
    return replace(_plain(b), model=model, fingerprint=fingerprint(model))


def _plain(model: LoadedModel) -> LoadedModel:
    names = [each.name for each in fields(LoadedModel)]
    return LoadedModel(**{name: getattr(model, name) for name in names})
