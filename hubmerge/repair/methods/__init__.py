"""The repairs. A file registers one, named like it."""
