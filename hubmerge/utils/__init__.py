"""Plumbing that every package shares: workers, progress, events, files, names."""
