"""Checking a published merge: made again from what it says it was made from, and compared."""

from hubmerge.verification.result import Check, Outcome, Verification
from hubmerge.verification.verify import verify

__all__ = ["Check", "Outcome", "Verification", "verify"]
