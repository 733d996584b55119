"""Solvers that matchers share: linear assignment on spaces, Frank-Wolfe, refinement."""
