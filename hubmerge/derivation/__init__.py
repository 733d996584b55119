"""Specs that write themselves: one traced forward, axes unified, symmetries certified by law."""
