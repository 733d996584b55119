"""The spec language: which axis of which tensor runs along which space."""
