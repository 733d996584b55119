"""The curves. A file registers one, named like it."""
