"""Learned matching: the parametrization of a symmetry, where it starts, and its registry."""
