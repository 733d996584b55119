"""The spec language: which axis of which tensor is which space, and what may be done to it."""

from hubmerge.spec.bind import bind, bind_config
from hubmerge.spec.family import Family, load_registry, read_family
from hubmerge.spec.permutation import (
    Permutation,
    State,
    compose,
    identity,
    invert,
    permute,
    random_permutation,
    unfold,
)
from hubmerge.spec.spec import Group, Space, Spec

__all__ = [
    "Family",
    "Group",
    "Permutation",
    "Space",
    "Spec",
    "State",
    "bind",
    "bind_config",
    "compose",
    "identity",
    "invert",
    "load_registry",
    "permute",
    "random_permutation",
    "read_family",
    "unfold",
]
