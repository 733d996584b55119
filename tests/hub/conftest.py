"""A real Hub on loopback, the unmodified client pointed at it; and folders to spoil."""

from tests.helpers.hostile import llama, model, vit
from tests.helpers.hub_fixtures import as_user, hub, impatient, lose_an_answer, result, server

__all__ = [
    "as_user",
    "hub",
    "impatient",
    "llama",
    "lose_an_answer",
    "model",
    "result",
    "server",
    "vit",
]
