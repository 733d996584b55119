"""The embedded Hub: a real HTTP server on loopback that the unmodified Hub clients speak to."""

from hubmerge.localhub.environment import client_environment
from hubmerge.localhub.jobs import LocalJobs
from hubmerge.localhub.server import (
    DEFAULT_PORT,
    EmbeddedHub,
    default_root,
    embedded_hub,
    serve,
)

__all__ = [
    "DEFAULT_PORT",
    "EmbeddedHub",
    "LocalJobs",
    "client_environment",
    "default_root",
    "embedded_hub",
    "serve",
]
