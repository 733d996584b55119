"""Everything that can be known before the weights are downloaded, and every refusal that can be.

`make_plan` looks and touches nothing: configurations, safetensors headers by range, cards,
permissions, free disk and memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict
from transformers import PreTrainedConfig, PreTrainedModel

from hubmerge.errors import DataError, WeightsError
from hubmerge.hub.card import DataCard, data_card, parent_licence, refuse_unlisted
from hubmerge.hub.client import cache_folder
from hubmerge.hub.compare import (
    check_mergeable,
    common_head,
    has_classes,
    label_permutation,
    processor_fields,
)
from hubmerge.hub.fetch import download_bytes, file_sizes, needed_files
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.layout import CONFIG
from hubmerge.hub.licence import LicenceDecision, ParentLicence, merged_licence
from hubmerge.hub.load import Description, describe, labels_of, model_class
from hubmerge.hub.processors import matched_without_data, refuse_misfit, stand_in
from hubmerge.hub.source import Source, resolve
from hubmerge.hub.target import Target, check_target
from hubmerge.hub.tokenizer import tokenizer_fields
from hubmerge.models.joint_head import Heads, with_labels
from hubmerge.planning.resources import Kind, Needs, measure_needs, memory_needed
from hubmerge.recipe import SAME
from hubmerge.specs.bind import bind_config
from hubmerge.specs.spec import ALL, Spec
from hubmerge.tasks.task import CLASSIFICATION, task_of

SAMPLES = 1000
"""Rows a measurement takes by default, and the most a curve does."""


class Part(BaseModel):
    """Base: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelPlan(Part):
    """One parent."""

    ref: str
    id: str
    kind: Literal["hub", "local"]
    sha: str
    licenses: list[str]
    gated: bool
    private: bool
    weight_bytes: int
    download_bytes: int
    dtype: str
    parameters: int


class ArchitecturePlan(Part):
    """What all parents are."""

    architecture: str
    model_type: str
    labels: list[str]
    """In A's order, which is the result's."""
    labels_moved: int | list[int]
    """How many of B's classifier rows change places; of more parents, of each after A."""
    known: list[int] | None = None
    """How many of the labels each parent knows, where they tell other classes apart."""
    processor: dict[str, Any]
    family: str | None
    """None if no spec is asked for and none describes the model."""
    free_spaces: dict[str, int]


class DataPlan(Part):
    """The data set, as far as its card and file list tell."""

    ref: str
    id: str
    sha: str
    bytes: int
    download_bytes: int
    card: DataCard


class Measurement(Part):
    """One thing that will be measured, and on which rows."""

    what: str
    rows: str


class Plan(Part):
    """What a merge would do."""

    models: list[ModelPlan]
    base: ModelPlan | None = None
    """The model they were all made from, where the fusion takes it."""
    both: ArchitecturePlan
    data: DataPlan | None
    measurements: list[Measurement]
    dtype: str
    """Of the result."""
    licence: LicenceDecision
    private: bool
    """Whether what is pushed will be private."""
    target: Target
    needs: Needs


@dataclass(frozen=True)
class _Parent:
    description: Description
    header: WeightsHeader
    licence: ParentLicence
    download: int

    def plan(self, parameters: int) -> ModelPlan:
        source = self.description.source
        return ModelPlan(
            ref=source.ref,
            id=source.id,
            kind=source.kind,
            sha=source.sha,
            licenses=list(self.licence.licenses),
            gated=source.gated,
            private=source.private,
            weight_bytes=self.header.bytes,
            download_bytes=self.download,
            dtype=dtype_name(self.header.dtype),
            parameters=parameters,
        )


def make_plan(
    *models: str | Source,
    base: str | Source | None = None,
    dataset: str | Source | None = None,
    dataset_config: str | None = None,
    dataset_split: str | None = None,
    dataset_calibration_split: str | None = None,
    dataset_columns: Sequence[str] = (),
    match: str = "weights",
    symmetry: str = ALL,
    repair: str = "none",
    fitted: bool = False,
    labels: Literal["names", "index"] = "names",
    heads: str = SAME,
    samples: int | Literal["all"] | None = None,
    calibration_samples: int | None = None,
    out: Path | None = None,
    push: str | None = None,
    private: bool | None = None,
    create_pr: bool = False,
    revision: str | None = None,
    exist_ok: bool = False,
    trust_remote_code: bool = False,
) -> Plan:
    """Look at everything a merge of `models` would need.

    base: the model they were all made from; looked at, loaded and licensed as they are.
    dataset_...: names asked for; a card that lists others refuses them.
    match: "auto" where there is no data. symmetry: one of the spec's. fitted: whether the fusion
    fits layers to unlabelled rows.
    private: None leaves it to the licence policy; False is the user's decision to be public.
    Raises: whatever would stop the merge and can be known now: any error of this package's.
    """
    everyone = [*models] if base is None else [*models, base]
    sources = [ref if isinstance(ref, Source) else resolve(ref) for ref in everyone]
    descriptions = [describe(s, trust_remote_code=trust_remote_code) for s in sources]
    check_mergeable(*descriptions, other_labels=heads != SAME)
    joined = common_head(heads, descriptions[: len(models)])
    licences = [parent_licence(source) for source in sources]
    licence = merged_licence(licences)
    hidden = licence.private_by_default if private is None else private
    target = check_target(
        out, push, exist_ok=exist_ok, create_pr=create_pr, revision=revision, private=hidden
    )
    data = None if dataset is None else _data(dataset, dataset_config)
    if data is not None:
        refuse_unlisted(
            data.card,
            data.ref,
            config=dataset_config,
            splits=[name for name in (dataset_split, dataset_calibration_split) if name],
            columns=dataset_columns,
        )
        if isinstance(samples, int):
            _refuse_too_few(data.card, dataset_split, samples)
    headers = [weights_header(source) for source in sources]
    downloads = [download_bytes(s, needed_files(s, code=trust_remote_code)) for s in sources]
    config, code = descriptions[0].config, descriptions[0].code_folder
    model = skeleton(with_labels(config, joined.outputs) if joined else config, code)
    refuse_misfit(model, descriptions[0].processor, sources[0].ref)
    sizes = [_size(skeleton(each.config, code) if joined else model) for each in descriptions]
    for header, source, size in zip(headers, sources, sizes, strict=True):
        _refuse_incomplete(header, size, source)
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    processor, instead = descriptions[0].processor, None
    if data is None:
        match = matched_without_data(match, config, processor)
        norms = any(name.endswith(".running_var") for name in shapes)
        repaired = norms and repair == "auto"
        instead = stand_in(config, processor, match=match, repaired=repaired, fitted=fitted)
    spec = None if match == "none" else bind_config(model.config, shapes)
    both = _architecture(descriptions[: len(models)], labels, spec, joined)
    dtype = reduce(torch.promote_types, (header.dtype for header in headers))
    total = sum(downloads) + (data.download_bytes if data else 0)
    plans = [
        _Parent(*fields).plan(size)
        for fields, size in zip(
            zip(descriptions, headers, licences, downloads, strict=True), sizes, strict=True
        )
    ]
    return Plan(
        models=plans[: len(models)],
        base=None if base is None else plans[-1],
        both=both,
        data=data,
        measurements=measurements(
            data is not None,
            samples,
            calibration_samples,
            models=len(models),
            scores=task_of(config).scores,
            instead=instead,
        ),
        dtype=dtype_name(dtype),
        licence=licence,
        private=hidden,
        target=target,
        needs=measure_needs(
            download=total,
            result=max(header.bytes for header in headers) if out or push else 0,
            memory=memory_needed(
                _size(model),
                both.free_spaces,
                activations=match not in ("none", "alignment", "weights", "descent"),
                models=len(sources),
                kind=_kind(spec, symmetry),
            ),
            cache=cache_folder(),
            out=out,
        ),
    )


def skeleton(config: PreTrainedConfig, code_folder: Path | None = None) -> PreTrainedModel:
    """The model `config` describes, without memory for its weights.

    code_folder: where the model's own python files lie, if they may be run.
    Raises: FamilyError, if nobody knows its class.
    """
    kind = model_class(config, code_folder)
    with torch.device("meta"):
        return kind(config).eval()


def measurements(
    data: bool,
    samples: int | Literal["all"] | None,
    calibration_samples: int | None,
    *,
    models: int = 2,
    scores: str = CLASSIFICATION.scores,
    instead: tuple[str, str] | None = None,
) -> list[Measurement]:
    """What will be measured on what; without data, what cannot be, and what is done `instead`."""
    if not data:
        shown = [] if instead is None else [Measurement(what=instead[0], rows=instead[1])]
        return [Measurement(what="nothing: no data set is given", rows="none"), *shown]
    if samples is None:
        evaluation = f"evaluation rows: {SAMPLES:,}, or all if there are fewer"
    else:
        evaluation = "evaluation rows: " + ("all" if samples == "all" else f"{samples:,}")
    calibration = "" if calibration_samples is None else f": {calibration_samples:,}"
    return [
        Measurement(
            what=f"{scores} of {'both' if models == 2 else 'all'} "
            "parents, the naive average, the merge and the parents' ensemble",
            rows=evaluation,
        ),
        Measurement(
            what=f"loss along the path {_path(models)}, naive and matched: the barrier",
            rows=f"at most {SAMPLES:,} of those",
        ),
        Measurement(
            what="temperatures and whatever else is chosen",
            rows="validation rows, apart from the evaluation rows",
        ),
        Measurement(
            what="statistics: batch norm, repair, activations",
            rows=f"calibration rows{calibration}, apart from both",
        ),
    ]


def _path(models: int) -> str:
    if models == 2:
        return "between the parents"
    return "from parent A to the mixture of all parents"


def dtype_name(dtype: torch.dtype) -> str:
    """As configurations write it: float16."""
    return str(dtype).removeprefix("torch.")


def _architecture(
    descriptions: list[Description],
    labels: Literal["names", "index"],
    spec: Spec | None,
    heads: Heads | None,
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
            **({} if processor is None else processor_fields(processor)),
            **({} if tokenizer is None else tokenizer_fields(tokenizer)),
        },
        family=None if spec is None else spec.family,
        free_spaces={} if spec is None else spec.free_spaces(),
    )


def _kind(spec: Spec | None, symmetry: str) -> Kind:
    if spec is None:
        return "unmatched"
    return "mapped" if spec.allowing(symmetry).mapped_spaces() else "permuted"


def _size(model: PreTrainedModel) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _data(dataset: str | Source, config: str | None) -> DataPlan:
    source = dataset if isinstance(dataset, Source) else resolve(dataset, "dataset")
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
            f"--samples {samples:,} is more than there is",
            found=", ".join(f"{name}: {n:,}" for name, n in card.splits.items()),
            hint="fewer, or: --samples all",
        )


def _refuse_incomplete(header: WeightsHeader, needed: int, source: Source) -> None:
    """Raises: WeightsError, if fewer weights are stored than the model needs.

    Totals only: names on disk may be older than the model's. Loading compares them one by one.
    """
    if header.floating < needed:
        raise WeightsError(
            f"the weights of {source.ref} do not fit its {CONFIG}",
            found=f"{header.floating:,} stored, the model has {needed:,}",
            hint="weights are missing: save the model again with save_pretrained",
        )
