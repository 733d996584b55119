"""The fusions. A file registers one, named like it."""
