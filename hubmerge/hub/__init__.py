"""The Hub: resolve, describe, fetch, load, plan, publish. The only room that knows the network."""

from hubmerge.hub.compare import (
    check_mergeable,
    common_head,
    has_classes,
    label_permutation,
)
from hubmerge.hub.fetch import fetch
from hubmerge.hub.headers import WeightsHeader, weights_header
from hubmerge.hub.licence import LicenceDecision, ParentLicence, merged_licence
from hubmerge.hub.load import Description, LoadedModel, describe, load, load_config
from hubmerge.hub.publish import Published, publish
from hubmerge.hub.source import Source, parse_ref, resolve
from hubmerge.hub.target import Target, check_target
from hubmerge.planning.plan import Plan, make_plan
from hubmerge.planning.text import render_plan

__all__ = [
    "Description",
    "LicenceDecision",
    "LoadedModel",
    "ParentLicence",
    "Plan",
    "Published",
    "Source",
    "Target",
    "WeightsHeader",
    "check_mergeable",
    "check_target",
    "common_head",
    "describe",
    "fetch",
    "has_classes",
    "label_permutation",
    "load",
    "load_config",
    "make_plan",
    "merged_licence",
    "parse_ref",
    "publish",
    "render_plan",
    "resolve",
    "weights_header",
]
