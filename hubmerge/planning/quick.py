"""What configurations and safetensors headers alone say of a merge: in seconds, without torch.

Nothing here imports torch or transformers; `make_plan` builds the models and settles the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from hubmerge.errors import FamilyError, NotFoundError, RecipeError
from hubmerge.hub.card import parent_licence
from hubmerge.hub.destination import Destination
from hubmerge.hub.fetch import fetch_file, file_sizes
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.licence import LicenceDecision, merged_licence
from hubmerge.hub.other_formats import refuse_other
from hubmerge.hub.source import Source, parse_ref, resolve
from hubmerge.hub.target import Target, check_target
from hubmerge.recipe import Recipe, models_of
from hubmerge.specs.family import load_families
from hubmerge.utils.foreign import system_error
from hubmerge.utils.model_refs import parse_model_ref
from hubmerge.utils.parent_names import parent_letters
from hubmerge.utils.untrusted import Unreadable, read_json

NOT_CHECKED = (
    "whether the weights fit their configuration",
    "labels, image processors and tokenizers",
    "the family's spec against the tensors",
    "methods and their options",
    "columns and splits of a data set",
    "hashes that a recipe recorded",
    "memory and disk",
)
"""What `make_plan` looks at and this does not."""


class QuickPlanPart(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QuickModel(QuickPlanPart):
    """One parent, as its files describe it.

    sha: the commit; None for a folder, whose weights would have to be read for it.
    elements: numbers stored, buffers included. families: names of the specs that may describe it.
    """

    ref: str
    id: str
    kind: Literal["hub", "local", "memory"]
    sha: str | None
    licenses: list[str]
    gated: bool
    private: bool
    architecture: str | None
    model_type: str | None
    families: list[str]
    weight_bytes: int
    dtype: str
    tensors: int
    elements: int


class TensorDifference(QuickPlanPart):
    """A tensor that is not the same size everywhere: parent -> its shape, None where it lacks."""

    name: str
    shapes: dict[str, list[int] | None]


class QuickPlan(QuickPlanPart):
    """What can be said of a merge by configurations and headers alone."""

    models: list[QuickModel]
    base: QuickModel | None
    dataset: str | None
    """The data set's id, if one is asked for: it is there and may be read."""
    same_architecture: bool
    differences: list[TensorDifference]
    licence: LicenceDecision
    private: bool
    """Whether what is pushed will be private."""
    target: Target
    not_checked: list[str]


def quick_plan(recipe: Recipe, destination: Destination | None = None) -> QuickPlan:
    """Look at the parents of `recipe` and the destination, but not at what models compute.

    Parents that differ are described, not refused: joined heads, for instance, may take them.

    Raises: NotFoundError, AccessError, HubUnavailableError, WeightsError; TargetError, if the
    result may not be written where it is to go; FamilyError for a configuration that is no JSON.
    """
    destination = destination or Destination()
    if recipe.stages:
        raise RecipeError(
            "the headers of what stages make are not there yet",
            found=", ".join(recipe.stages),
            hint="plan it whole, which looks at every stage",
            field="stages",
        )
    sources = [_located(parse_model_ref(ref).base) for ref in models_of(recipe).values()]
    data = None if recipe.dataset is None else parse_ref(recipe.dataset.id, "dataset")
    if data is not None and data.folder is None:
        resolve(data.ref, "dataset")
    headers = [weights_header(source) for source in sources]
    models = [_model(*each) for each in zip(sources, headers, strict=True)]
    licence = merged_licence([parent_licence(source) for source in sources])
    private = destination.private
    private = licence.private_by_default if private is None else private
    names = [*parent_letters(len(recipe.models)), "base"][: len(sources)]
    return QuickPlan(
        models=models[: len(recipe.models)],
        base=None if recipe.base is None else models[-1],
        dataset=None if data is None else data.id,
        same_architecture=len({(each.architecture, each.model_type) for each in models}) == 1,
        differences=differences(dict(zip(names, headers, strict=True))),
        licence=licence,
        private=private,
        target=check_target(
            destination.out,
            destination.push,
            exist_ok=destination.exist_ok,
            create_pr=destination.create_pr,
            revision=destination.revision,
            private=private,
        ),
        not_checked=list(NOT_CHECKED),
    )


def differences(headers: Mapping[str, WeightsHeader]) -> list[TensorDifference]:
    """Every tensor that some parent lacks or has in another shape, by name."""
    stored = {parent: header.tensors for parent, header in headers.items()}
    found = []
    for name in sorted({name for tensors in stored.values() for name in tensors}):
        shapes = {
            parent: list(tensors[name].shape) if name in tensors else None
            for parent, tensors in stored.items()
        }
        first, *others = shapes.values()
        if any(other != first for other in others):
            found.append(TensorDifference(name=name, shapes=shapes))
    return found


def _located(ref: str) -> Source:
    """As `resolve`, but that the content of a folder is not hashed."""
    parsed = parse_ref(ref)
    return resolve(ref) if parsed.folder is None else Source(**vars(parsed))


def _model(source: Source, header: WeightsHeader) -> QuickModel:
    config, licence = _config(source), parent_licence(source)
    named = config.get("architectures")
    first = named[0] if isinstance(named, list) and named else None
    model_type = _text(config.get("model_type"))
    return QuickModel(
        ref=source.ref,
        id=source.id,
        kind=source.kind,
        sha=source.sha or None,
        licenses=list(licence.licenses),
        gated=source.gated,
        private=source.private,
        architecture=_text(first),
        model_type=model_type,
        families=_families(model_type, _text(first)),
        weight_bytes=header.bytes,
        dtype=header.dtype,
        tensors=len(header.tensors),
        elements=header.numel,
    )


def _config(source: Source) -> dict[str, Any]:
    names = file_sizes(source)
    if CONFIG not in names:
        refuse_other(names, lambda name: fetch_file(source, name), source.ref)
        raise NotFoundError(
            f"{source.ref} is no model: it holds no {CONFIG}",
            found=", ".join([*names][:5]) or "nothing",
            hint="give a model written by save_pretrained",
        )
    try:
        config = read_json(fetch_file(source, CONFIG))
    except Unreadable as error:
        raise FamilyError(
            f"{CONFIG} of {source.ref} is no JSON", found=str(error), source=source.ref
        ) from error
    except OSError as error:
        raise system_error(error) or error from error
    return config if isinstance(config, dict) else {}


def _text(said: Any) -> str | None:
    return said if isinstance(said, str) else None


def _families(model_type: str | None, architecture: str | None) -> list[str]:
    """The families of that model type with a head for that class; no other field is compared."""
    config = SimpleNamespace(architectures=[architecture] if architecture else [])
    fitting = []
    for name, family in load_families().families.items():
        types = family.match.get("model_type")
        named = model_type in (types if isinstance(types, list) else [types])
        if named and (not architecture or family.has_head(config)):
            fitting.append(name)
    return fitting
