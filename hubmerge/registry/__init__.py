"""Registries: what there is of each kind of thing that others can add to.

A registry knows names from the files in a folder (the file's name, with hyphens for underscores)
and from the entry points of installed packages (`hubmerge.matchers`, `hubmerge.fusions`, ...). It
lists names and one-line descriptions without importing any of these files, so that
`hubmerge --help` does not wait for torch; a file is imported when its method is used.

    >>> registry("fusions").names()[:3]
    ('average', 'breadcrumbs', 'dare')
    >>> registry("fusions").get("slerp").needs
    'data-free'

The order of names is a rule, because `fuse: auto` keeps the earliest of equals: first those a
registry names as its `first`, then what comes with hubmerge, then plugins, each in alphabetical
order.
"""

from hubmerge.registry.base import Registry
from hubmerge.registry.descriptions import Description
from hubmerge.registry.entry import Plugin, RegistryEntry
from hubmerge.registry.plugins import allow_plugins, installed_plugins, naming_absent
from hubmerge.registry.registries import registries, registry

__all__ = [
    "Description",
    "Plugin",
    "Registry",
    "RegistryEntry",
    "allow_plugins",
    "installed_plugins",
    "naming_absent",
    "registries",
    "registry",
]
