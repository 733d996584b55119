"""What mergekit's merge methods and their parameters are called here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class BaseModel(Enum):
    """What a method makes of `base_model`."""

    REQUIRED = "the model that all were made from"
    OPTIONAL = "the same, where there is one"
    FIRST = "one of the two models, from which the merge starts"
    TOKENIZER = "the model whose configuration and tokenizer are taken"


@dataclass(frozen=True)
class Method:
    """A merge method of mergekit 0.1.5.

    fuse: the fusion here. options: its parameters that are one number or truth for all models ->
    the option here. own: those that every model may have its own of. defaults: options that are set
    where the file leaves a parameter out, since mergekit's default is another. weighed: whether
    models have a `weight`.
    """

    fuse: str
    base: BaseModel
    options: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, bool | float | str] = field(default_factory=dict)
    weighed: bool = True


SCALED = {"lambda": "scale", "normalize": "normalize"}
DENSE = {"density": "density"}
SUMMED = {"normalize": False}
NORM = {"rescale": "norm"}

METHODS: Mapping[str, Method] = {
    "linear": Method("average", BaseModel.TOKENIZER),
    "slerp": Method("slerp", BaseModel.FIRST, weighed=False),
    "nuslerp": Method("nuslerp", BaseModel.OPTIONAL),
    "multislerp": Method("multislerp", BaseModel.OPTIONAL),
    "karcher": Method(
        "karcher",
        BaseModel.TOKENIZER,
        {"max_iter": "max_iter", "tol": "tol"},
        weighed=False,
    ),
    "task_arithmetic": Method("task-arithmetic", BaseModel.REQUIRED, SCALED),
    "ties": Method("ties", BaseModel.REQUIRED, SCALED, DENSE, {"density": 1.0}),
    "dare_linear": Method(
        "dare",
        BaseModel.REQUIRED,
        {**SCALED, "rescale": "rescale"},
        DENSE,
        {"density": 1.0, **NORM},
    ),
    "dare_ties": Method(
        "dare-ties",
        BaseModel.REQUIRED,
        {**SCALED, "rescale": "rescale"},
        DENSE,
        {"density": 1.0, **SUMMED, **NORM},
    ),
    "della_linear": Method(
        "della-linear",
        BaseModel.REQUIRED,
        {**SCALED, "rescale": "rescale"},
        {**DENSE, "epsilon": "epsilon"},
        {"density": 1.0, **NORM},
    ),
    "della": Method(
        "della",
        BaseModel.REQUIRED,
        {**SCALED, "rescale": "rescale"},
        {**DENSE, "epsilon": "epsilon"},
        {"density": 1.0, **NORM},
    ),
    "breadcrumbs": Method(
        "breadcrumbs",
        BaseModel.REQUIRED,
        SCALED,
        {**DENSE, "gamma": "outliers"},
        {"density": 1.0},
    ),
    "breadcrumbs_ties": Method(
        "breadcrumbs-ties",
        BaseModel.REQUIRED,
        SCALED,
        {**DENSE, "gamma": "outliers"},
        {"density": 1.0, **SUMMED},
    ),
    "sce": Method("sce", BaseModel.REQUIRED, {"select_topk": "select_topk"}, weighed=False),
    "model_stock": Method("model-stock", BaseModel.REQUIRED, weighed=False),
    "nearswap": Method("nearswap", BaseModel.FIRST, {"t": "t"}, weighed=False),
    "arcee_fusion": Method("arcee-fusion", BaseModel.FIRST, weighed=False),
    "passthrough": Method(
        "passthrough", BaseModel.TOKENIZER, own={"scale": "scale"}, weighed=False
    ),
    "ram": Method("ram", BaseModel.REQUIRED, {"epsilon": "epsilon"}, weighed=False),
    "ramplus_tl": Method(
        "ramplus-tl",
        BaseModel.REQUIRED,
        {"epsilon": "epsilon", "r": "r", "alpha": "alpha"},
        weighed=False,
    ),
}

WITHOUT_EFFECT: Mapping[str, tuple[bool, ...]] = {
    "int8_mask": (True, False),
    "normalize": (True, False),
    "filter_wise": (False,),
    "normalize_weights": (True,),
    "rescale": (False,),
}
"""Parameters that change nothing, of methods that have none of that name, as long as they have one
of these values."""

ALONG = ("nuslerp_flatten", "nuslerp_row_wise")
SPECIAL: Mapping[str, tuple[str, ...]] = {
    "linear": ("normalize",),
    "slerp": ("t",),
    "nuslerp": ALONG,
}
"""Parameters that are no option here by another name."""


def parameters_of(name: str) -> set[str]:
    """Names of a method's parameters."""
    method = METHODS[name]
    weight = ("weight",) if method.weighed else ()
    return {*method.options, *method.own, *SPECIAL.get(name, ()), *weight}
