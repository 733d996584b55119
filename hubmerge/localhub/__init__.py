"""The embedded Hub: a real HTTP server on loopback that the unmodified Hub clients speak to."""

from hubmerge.localhub.server import (
    DEFAULT_PORT,
    EmbeddedHub,
    client_environment,
    default_root,
    embedded_hub,
    serve,
)

__all__ = [
    "DEFAULT_PORT",
    "EmbeddedHub",
    "client_environment",
    "default_root",
    "embedded_hub",
    "serve",
]
