"""The laws a fusion may declare. The conformance suite holds each to those it does."""

from __future__ import annotations

IDENTITY = "identity"
EXCHANGE = "exchange"
ENDS = "ends"
UNITY = "unity"
PERMUTATIONS = "permutations"
ROTATIONS = "rotations"

LAWS = {
    IDENTITY: "a model fused with itself is the same function",
    EXCHANGE: "the order of the parents (with their weights) does not matter",
    ENDS: "where one parent has all the weight, the result is that parent",
    UNITY: "weights sum to one: what all parents agree on is kept",
    PERMUTATIONS: "reordering the units of all models alike reorders those of the result",
    ROTATIONS: "so does rotating them, where a family allows it",
}
"""Name -> what it says, before any repair and with the default options."""
