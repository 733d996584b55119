"""Everything that can be known before the weights are downloaded, and every refusal that can be.

`make_plan` looks and touches nothing: configurations, safetensors headers by range, cards,
permissions, free disk and memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Literal

import torch
from transformers import PreTrainedModel

from hubmerge.derivation.ensure import ensure_spec
from hubmerge.errors import DataError, RecipeError, WeightsError
from hubmerge.errors.wording import option
from hubmerge.hub.calm import calm
from hubmerge.hub.card import (
    DataCard,
    data_card,
    named_collections,
    named_data,
    named_papers,
    parent_licence,
    refuse_unlisted,
)
from hubmerge.hub.client import cache_folder
from hubmerge.hub.companions import remarks
from hubmerge.hub.compare import check_mergeable, common_head, label_permutation
from hubmerge.hub.config_fields import processor_fields
from hubmerge.hub.describe import Description, describe, labels_of
from hubmerge.hub.fetch import download_bytes, file_sizes, needed_files
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.licence import ParentLicence, merged_licence
from hubmerge.hub.model_class import made_of, model_class, skeleton
from hubmerge.hub.processors import matched_without_data, refuse_misfit, stand_in
from hubmerge.hub.source import Source
from hubmerge.hub.stored_names import unmatched
from hubmerge.hub.target import check_target
from hubmerge.hub.tokenizer import tokenizer_fields
from hubmerge.hub.weight_checks import refuse_unmatched
from hubmerge.models.joint_head import JointHead, with_labels
from hubmerge.planning.measurements import NO_DATA, measurements, refinement
from hubmerge.planning.misread import refuse_misread
from hubmerge.planning.plan import ArchitecturePlan, DataPlan, ModelPlan, Plan
from hubmerge.planning.planned import PlannedRun
from hubmerge.planning.resources import Kind, measure_needs, memory_needed
from hubmerge.planning.streams import memory_to_stream, streams
from hubmerge.recipe import (
    NO_PATH,
    NO_REFINEMENT,
    SAME,
    Recipe,
    bytes_of,
    leaves_out_refinement,
)
from hubmerge.refine import blends
from hubmerge.reporting.effort import effort_record
from hubmerge.specs.bind import bind_config
from hubmerge.specs.derived import DerivedRecord
from hubmerge.specs.spec import Spec
from hubmerge.tasks import (
    DEFAULT_WORDS,
    has_classes,
    require_measure,
    task_of,
    why_unmeasured,
)

AUTO = "auto"
TOKENS = 128
"""Of a row, where the recipe does not say it."""


@dataclass(frozen=True)
class _Parent:
    description: Description
    header: WeightsHeader
    licences: tuple[ParentLicence, ...]
    downloads: Mapping[tuple[str, str], int]
    """Bytes of everything that it is made of, by its id and its state."""

    @property
    def prepared(self) -> int:
        """Bytes of its weights, where these are written before they are merged."""
        source = self.description.source
        return self.header.bytes if source.origins or source.parts else 0

    def plan(self, parameters: int) -> ModelPlan:
        source = self.description.source
        return ModelPlan(
            ref=source.ref,
            id=source.id,
            kind="stage" if source.is_stage else source.kind,
            sha=source.sha,
            licenses=list(dict.fromkeys(n for each in self.licences for n in each.licenses)),
            gated=source.gated,
            private=source.private,
            weight_bytes=self.header.bytes,
            download_bytes=sum(self.downloads.values()),
            dtype=self.header.dtype,
            parameters=parameters,
            # Of a folder its README is not what is pinned.
            papers=named_papers(source) if source.kind == "hub" else [],
            collections=named_collections(source) if source.kind == "hub" else [],
        )


def _refuse_layers(recipe: Recipe, descriptions: Sequence[Description]) -> None:
    """Raises: RecipeError, if a model has another number of layers than the recipe says."""
    for each in descriptions:
        there = getattr(each.config, "num_hidden_layers", None)
        if recipe.layers is not None and there != recipe.layers:
            raise RecipeError(
                f"the recipe is for models of {recipe.layers} layers",
                found=f"{each.source.ref} has {there or 'no such number'}",
                hint="all layers of all models are merged; a part of them is not taken out",
                field="layers",
            )


def make_plan(run: PlannedRun, *, here: bool = True) -> Plan:
    """Everything that a merge would need, without downloading weights.

    here: whether it will be made on this machine, whose room, memory and folder then count.

    Raises: whatever would stop the merge and can be known now: any error of this package's.
    """
    recipe, sources, destination = run.recipe, run.sources, run.destination
    parents = _described(run)
    descriptions = [parent.description for parent in parents]
    config, code = descriptions[0].config, descriptions[0].code_folder
    heads = common_head(recipe.heads, descriptions[: len(sources.models)])
    _refuse_layers(recipe, descriptions)
    licence = merged_licence([each for parent in parents for each in parent.licences])
    hidden = licence.private_by_default if destination.private is None else destination.private
    target = check_target(
        run.out if here else None,
        destination.push,
        exist_ok=destination.exist_ok,
        create_pr=destination.create_pr,
        revision=destination.revision,
        private=hidden,
    )
    task = task_of(config)
    measure = None if task is None else task.measure(config)
    if sources.dataset is not None:
        measure = require_measure([(each.config, each.source.ref) for each in descriptions])
        refuse_misread(run.methods, recipe.refine, recipe.survey, measure)
    data = _checked_data(recipe, sources.dataset)
    with made_of(descriptions[0]):
        model = skeleton(with_labels(config, heads.outputs) if heads else config, code)
    refuse_misfit(model, descriptions[0].processor, descriptions[0].source.ref)
    sizes = [_own_size(each) if heads else _size(model) for each in descriptions]
    for parent, size in zip(parents, sizes, strict=True):
        _refuse_unfit(parent, size, code)
    match, instead = _without_data(run, descriptions[0], model) if data is None else (None, None)
    match = match or run.methods.match
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    run.methods.subset.of_model(model).check(shapes)
    derived = None if match == "none" else ensure_spec(model)
    spec = None if match == "none" else bind_config(model.config, shapes)
    by: Literal["names", "index"] = "index" if recipe.align_labels == "index" else "names"
    both = _architecture(descriptions[: len(sources.models)], by, spec, heads, derived)
    effort = effort_record(
        recipe.effort,
        run.methods.trials,
        leaves_out_refinement(
            recipe, one_of_n=measure is not None and measure.one_of_n, parameters=_size(model)
        ),
    )
    allowed = None if recipe.memory is None else bytes_of(recipe.memory)
    from_disk = streams(recipe, run.methods, model, [each.header.tensors for each in parents])
    plans = [parent.plan(size) for parent, size in zip(parents, sizes, strict=True)]
    once = {each: size for parent in parents for each, size in parent.downloads.items()}
    download = sum(once.values()) + (data.download_bytes if data else 0)
    return Plan(
        models=plans[: len(sources.models)],
        base=None if sources.base is None else plans[-1],
        both=both,
        data=data,
        offered=_offered(sources.models) if data is None and measure is not None else {},
        measurements=[
            *measurements(
                data is not None,
                recipe.samples,
                recipe.calibration_samples,
                models=len(sources.models),
                words=(task.planned(config) if task else None) or DEFAULT_WORDS,
                without=why_unmeasured(task, both.architecture, NO_DATA),
                instead=instead,
                path=recipe.path != NO_PATH,
            ),
            *refinement(
                effort,
                models=len(sources.models),
                blended=model.main_input_name == "pixel_values" and blends(model),
            ),
        ],
        effort=effort,
        dtype=dtype_name(
            reduce(torch.promote_types, (getattr(torch, p.header.dtype) for p in parents))
        ),
        licence=licence,
        private=hidden,
        target=target,
        needs=measure_needs(
            download=download,
            result=max(parent.header.bytes for parent in parents)
            + sum(parent.prepared for parent in parents),
            memory=memory_to_stream(
                model,
                len(parents),
                spectral=_spectral(run),
                matched=spec if match != "none" else None,
                seen=spec if match == "activations" else None,
                tokens=(recipe.dataset and recipe.dataset.tokens) or TOKENS,
                measured=data is not None,
                allowed=allowed,
            )
            if from_disk
            else memory_needed(
                _size(model),
                both.free_spaces,
                activations=match not in ("none", "alignment", "weights", "descent"),
                models=len(parents),
                kind=_kind(spec, run.methods.symmetry),
                refined=effort.refine != NO_REFINEMENT,
            ),
            cache=cache_folder(),
            out=run.out,
            here=here,
            allowed=allowed,
            whole=None
            if from_disk
            else f"{len(parents)} models of {_size(model):,} parameters in float32",
        ),
        remarks=remarks(descriptions[: len(sources.models)]),
    )


def _described(run: PlannedRun) -> list[_Parent]:
    """Parents and base, as far as configurations, headers and cards show.

    Raises: MismatchError, if they cannot be merged with each other.
    """
    sources, trust = run.sources, run.recipe.trust_remote_code
    refs = [*sources.models] if sources.base is None else [*sources.models, sources.base]
    descriptions = [describe(source, trust_remote_code=trust) for source in refs]
    check_mergeable(*descriptions, other_labels=run.recipe.heads != SAME)
    return [
        _Parent(
            description,
            description.header or weights_header(source),
            tuple(map(parent_licence, source.made_of)),
            {
                (each.id, each.sha): download_bytes(each, needed_files(each, code=trust))
                for each in source.made_of
            },
        )
        for description, source in zip(descriptions, refs, strict=True)
    ]


def _offered(models: Sequence[Source]) -> dict[str, list[int]]:
    """The data sets that the parents' cards name, those of most parents first."""
    found: dict[str, list[int]] = {}
    for number, model in enumerate(models):
        for name in dict.fromkeys(name for each in model.made_of for name in named_data(each)):
            found.setdefault(name, []).append(number)
    return dict(sorted(found.items(), key=lambda each: -len(each[1])))


def _checked_data(recipe: Recipe, dataset: Source | None) -> DataPlan | None:
    """The data set; refused where its card lists other names or fewer rows than asked for."""
    wanted = recipe.dataset
    if dataset is None or wanted is None:
        return None
    data = _data(dataset, wanted.config)
    refuse_unlisted(
        data.card,
        data.ref,
        config=wanted.config,
        splits=[name for name in (wanted.split, wanted.calibration_split) if name],
        columns=wanted.columns,
    )
    if isinstance(recipe.samples, int):
        _refuse_too_few(data.card, wanted.split, recipe.samples)
    return data


def _without_data(
    run: PlannedRun, a: Description, model: PreTrainedModel
) -> tuple[str, tuple[str, str] | None]:
    """The matcher where there is no data, and what is done in place of measuring."""
    match = AUTO if run.methods.depends_on_images else run.methods.match
    match = matched_without_data(match, a.config, a.processor)
    norms = any(name.endswith(".running_var") for name in model.state_dict())
    repaired = norms and run.recipe.repair == AUTO
    fitted = run.methods.fits_rows
    return match, stand_in(a.config, a.processor, match=match, repaired=repaired, fitted=fitted)


def _dtype(parent: _Parent) -> torch.dtype:
    stored: torch.dtype = getattr(torch, parent.header.dtype)
    return stored


def dtype_name(dtype: torch.dtype) -> str:
    """As configurations write it: float16."""
    return str(dtype).removeprefix("torch.")


def _architecture(
    descriptions: list[Description],
    labels: Literal["names", "index"],
    spec: Spec | None,
    heads: JointHead | None,
    derived: DerivedRecord | None,
) -> ArchitecturePlan:
    config, processor = descriptions[0].config, descriptions[0].processor
    tokenizer = descriptions[0].tokenizer
    a, *others = (labels_of(description.config) for description in descriptions)
    orders: list[list[int]] = [[] for _ in others]
    if has_classes(config) and heads is None:
        orders = [label_permutation(a, b, by=labels) for b in others]
    moved = [sum(old != new for new, old in enumerate(order)) for order in orders]
    return ArchitecturePlan(
        architecture=(config.architectures or [""])[0],
        model_type=config.model_type,
        labels=list(heads.outputs if heads else a.values()) if has_classes(config) else [],
        known=[len(heads.known(n)) for n in range(len(heads.rows))] if heads else None,
        labels_moved=moved[0] if len(moved) == 1 else moved,
        processor={
            **({} if processor is None else processor_fields(processor).compared),
            **({} if tokenizer is None else tokenizer_fields(tokenizer)),
        },
        family=None if spec is None else spec.family,
        spec=None if derived is None else derived.summary,
        free_spaces={} if spec is None else spec.free_spaces(),
    )


def _kind(spec: Spec | None, symmetry: str) -> Kind:
    if spec is None:
        return "unmatched"
    return "mapped" if spec.allowing(symmetry).mapped_spaces() else "permuted"


def _own_size(parent: Description) -> int:
    with made_of(parent):
        return _size(skeleton(parent.config, parent.code_folder))


def _size(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _data(source: Source, config: str | None) -> DataPlan:
    sizes = file_sizes(source)
    needed = needed_files(source)
    return DataPlan(
        ref=source.ref,
        id=source.id,
        sha=source.sha,
        bytes=sum(sizes[name] for name in needed),
        download_bytes=download_bytes(source, needed),
        card=data_card(source, config),
    )


def _refuse_too_few(card: DataCard, split: str | None, samples: int) -> None:
    """Raises: DataError, if the card says that `split`, or any split, has fewer rows than that."""
    rows = [card.splits.get(split)] if split else list(card.splits.values())
    known = [n for n in rows if n is not None]
    if rows and len(known) == len(rows) and samples > max(known):
        raise DataError(
            f"{option('samples', samples)} is more than there is",
            found=", ".join(f"{name}: {n:,}" for name, n in card.splits.items()),
            hint=f"fewer, or all: {option('samples', 'all')}",
            field="samples",
        )


def _refuse_unfit(parent: _Parent, needed: int, code_folder: Path | None) -> None:
    """Raises: WeightsError, if stored weights are not those of the model, by their names.

    needed: numbers of the model. Where transformers cannot say which tensor becomes which, only
    totals are compared; loading compares them one by one.
    """
    header, source, config = parent.header, parent.description.source, parent.description.config
    with calm():
        found = unmatched(model_class(config, code_folder), config, header.tensors)
    if found is not None:
        refuse_unmatched(found, source.ref)
    elif header.floating < needed:
        raise WeightsError(
            f"the weights of {source.ref} do not fit its {CONFIG}",
            found=f"{header.floating:,} stored, the model has {needed:,}",
            hint="weights are missing: save the model again with save_pretrained",
        )


def _spectral(run: PlannedRun) -> bool:
    """Whether the fusion, or what corrects it, decomposes matrices."""
    fusion = run.methods.fusion
    return fusion is not None and fusion.decomposes(run.recipe.fuse_options)
