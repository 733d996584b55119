"""Ways to match more than two models. A file is one way, named like it."""
