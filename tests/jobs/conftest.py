"""A real Hub on loopback, the unmodified client pointed at it."""

from tests.helpers.hub_fixtures import as_user, hub, impatient, lose_an_answer, result, server

__all__ = ["as_user", "hub", "impatient", "lose_an_answer", "result", "server"]
